//! The session's WebSocket: one connection that everything which streams shares. It is made when it is first needed, and
//! anew when it is needed after it was lost.

mod connection;
mod frame;

pub(crate) use connection::{Event, Route};
pub(crate) use frame::frame;

use crate::error::ApiError;
use crate::poll::Backoff;
use crate::transport::Call;
use crate::ws::{self, Message, Opened};
use crate::{Error, Result, Session, SessionProperties};
use connection::{Command, Connection};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// Tools that every session has in this group.
const SYSTEM_TOOLS: [&str; 2] = ["set_env", "get_env"];
const SYSTEM_SERVER: &str = "wuying_system";
/// How long a lost connection is tried to be made again before the call that needs it fails.
const RECONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Events of one stream that wait for their reader before the whole connection waits.
const WAITING_EVENTS: usize = 64;

/// The connection of one session, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    address: Option<Address>,
}

#[derive(Clone)]
struct Address {
    url: String,
    token: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

/// A stream of events of one call, or of pushes.
#[derive(Debug)]
pub(crate) struct Events {
    events: mpsc::Receiver<Event>,
    operation: String,
}

impl Events {
    /// The next event; an error when the connection was lost.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        self.events.recv().await.ok_or_else(|| lost(&self.operation))
    }
}

/// A call whose answer makes pushes come, and where those go.
pub(crate) struct Subscription {
    pub(crate) answer: Value,
    pub(crate) pushes: Events,
    /// Sends further messages on the same connection.
    pub(crate) messages: mpsc::Sender<Message>,
}

impl Session {
    /// A call with one answer. `operation` is for people.
    pub(crate) async fn link_call(&self, target: &str, data: Value, operation: &str) -> Result<Value> {
        let (sender, receiver) = mpsc::channel(1);
        self.link_send(target, data, sender, None, operation).await?;
        self.link_answer(Events { events: receiver, operation: operation.to_owned() }).await
    }

    /// A call that is answered by events and an end.
    pub(crate) async fn link_stream(&self, target: &str, data: Value, operation: &str) -> Result<Events> {
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        self.link_send(target, data, sender, None, operation).await?;
        Ok(Events { events, operation: operation.to_owned() })
    }

    /// A call after whose answer messages are pushed.
    pub(crate) async fn link_subscribe(&self, target: &str, data: Value, route: Route, operation: &str) -> Result<Subscription> {
        let (answers, answer) = mpsc::channel(1);
        let (sender, pushes) = mpsc::channel(WAITING_EVENTS);
        let messages = self.link_send(target, data, answers, Some((route, sender)), operation).await?;
        let events = |events| Events { events, operation: operation.to_owned() };
        let answer = self.link_answer(events(answer)).await?;
        Ok(Subscription { answer, pushes: events(pushes), messages })
    }

    async fn link_answer(&self, mut answer: Events) -> Result<Value> {
        let limit = self.transport().timeout();
        let event = tokio::time::timeout(limit, answer.next()).await;
        let late = || Error::Timeout { operation: answer.operation.clone(), after: limit, request_id: None };
        match event.map_err(|_| late())?? {
            Event::Part(value) | Event::End(value) => Ok(value),
            Event::Failed(message) => Err(Error::tool(&answer.operation, message, "")),
        }
    }

    async fn link_send(
        &self,
        target: &str,
        data: Value,
        events: mpsc::Sender<Event>,
        pushes: Option<(Route, mpsc::Sender<Event>)>,
        operation: &str,
    ) -> Result<mpsc::Sender<Message>> {
        let id = ws::invocation_id();
        let streamed = data.get("mode").is_some() || matches!(pushes, Some((Route::Watch(_), _)));
        let message = frame(&id, target, data);
        let (commands, messages) = self.link_open(operation).await?;
        let command = Command { id, message, streamed, events, pushes };
        commands.send(command).await.map_err(|_| lost(operation))?;
        Ok(messages)
    }

    /// The connection; made when there is none.
    async fn link_open(&self, operation: &str) -> Result<(mpsc::Sender<Command>, mpsc::Sender<Message>)> {
        let mut state = self.inner.link.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.senders());
        }
        // The first attempt fails at once; a connection that was there before is worth some patience.
        let mut backoff = Backoff::new(if state.connection.is_some() { RECONNECT_LIMIT } else { Duration::ZERO });
        loop {
            match self.link_connect(&mut state, operation).await {
                Ok(connection) => {
                    let senders = connection.senders();
                    state.connection = Some(connection);
                    return Ok(senders);
                }
                Err(error @ (Error::Transport { .. } | Error::Timeout { .. })) => {
                    if !backoff.wait().await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn link_connect(&self, state: &mut State, operation: &str) -> Result<Connection> {
        let Address { url, token } = match &state.address {
            Some(address) => address.clone(),
            None => state.address.insert(self.link_address(operation).await?).clone(),
        };
        let request = ws::request(self.transport(), &url)?.header("X-Access-Token", token);
        match ws::open(request, operation, self.transport().timeout()).await? {
            Opened::Socket { socket, .. } => Ok(Connection::start(*socket)),
            Opened::Refused(answer) => {
                // Whoever is refused asks for the address again the next time: it may have changed.
                state.address = None;
                let said: String = String::from_utf8_lossy(&answer.body).trim().chars().take(200).collect();
                let message = format!("the WebSocket was refused: {}", if said.is_empty() { "no reason was given" } else { &said });
                let (operation, code) = (operation.to_owned(), String::new());
                Err(Error::from_api(ApiError { operation, code, message, status: answer.status, request_id: None }))
            }
        }
    }

    /// Where the session's WebSocket is. A handle made without a request asks for it.
    async fn link_address(&self, operation: &str) -> Result<Address> {
        fn known(properties: &SessionProperties) -> Option<Address> {
            Some(Address { url: properties.ws_url()?, token: properties.token.clone().filter(|token| !token.is_empty())? })
        }
        if let Some(address) = known(self.properties()) {
            return Ok(address);
        }
        let call = Call::new("GetSession", operation).param("SessionId", self.id());
        let found: SessionProperties = self.transport().call(call).await?.data()?;
        known(&found).ok_or_else(|| {
            Error::invalid(format!("{operation} needs a WebSocket, and the service gave session {} no address for one", self.id()))
        })
    }

    /// The group that the service files a tool under, as far as it is known.
    pub(crate) fn server_of(&self, tool: &str) -> Option<String> {
        let listed = self.tools().iter().find(|known| known.name == tool).map(|known| known.server.clone());
        // The environment's tools are there though no list names them.
        listed.filter(|server| !server.is_empty()).or_else(|| SYSTEM_TOOLS.contains(&tool).then(|| SYSTEM_SERVER.to_owned()))
    }
}

fn lost(operation: &str) -> Error {
    Error::lost(operation, "the session's WebSocket closed")
}
