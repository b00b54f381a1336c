//! One connection while it lasts: a task that hands each message to whom it is for.

use super::frame::Incoming;
use crate::ws::{Guard, Message, Reader, Socket, split};
use futures::StreamExt;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// How often the other side is asked whether it is there; without a word until the next time it is taken for gone.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Calls that wait to be sent.
const WAITING_COMMANDS: usize = 16;

/// What comes of a call.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something on the way, or something pushed.
    Part(Value),
    /// The end of it.
    End(Value),
    /// It failed, with these words.
    Failed(String),
}

/// Which pushes belong to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Those of the terminal that the call's answer names.
    NewPty,
    /// Those of this terminal.
    Pty(String),
    /// Changes below this path.
    Watch(String),
}

/// A call on its way out.
pub(super) struct Command {
    pub(super) id: String,
    pub(super) message: Message,
    pub(super) streamed: bool,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) pushes: Option<(Route, mpsc::Sender<Event>)>,
}

/// A connection. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Connection {
    commands: mpsc::Sender<Command>,
    messages: mpsc::Sender<Message>,
    _task: Guard,
}

impl Connection {
    pub(super) fn start(socket: Socket) -> Self {
        let (reader, messages, writing) = split(socket);
        let (commands, waiting) = mpsc::channel(WAITING_COMMANDS);
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let actor = Actor {
            reader,
            messages: messages.clone(),
            commands: waiting,
            heartbeat,
            silent: false,
            calls: HashMap::new(),
            subscribers: Vec::new(),
            undelivered: VecDeque::new(),
            _writing: writing,
        };
        Self { commands, messages, _task: Guard(tokio::spawn(actor.run())) }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(super) fn senders(&self) -> (mpsc::Sender<Command>, mpsc::Sender<Message>) {
        (self.commands.clone(), self.messages.clone())
    }
}

struct Call {
    streamed: bool,
    events: mpsc::Sender<Event>,
    new_pty: Option<mpsc::Sender<Event>>,
}

/// Everything that waits for this connection. When it ends all of it is dropped, which is how the waiting ones learn.
struct Actor {
    reader: Reader,
    messages: mpsc::Sender<Message>,
    commands: mpsc::Receiver<Command>,
    heartbeat: Interval,
    /// Whether nothing came since the last heartbeat.
    silent: bool,
    calls: HashMap<String, Call>,
    subscribers: Vec<(Route, mpsc::Sender<Event>)>,
    /// While there is something here nothing more is read, so that a slow reader slows the sender down. Calls still go out.
    undelivered: VecDeque<(mpsc::Sender<Event>, Event)>,
    _writing: Guard,
}

impl Actor {
    async fn run(mut self) {
        let messages = self.messages.clone();
        loop {
            let first = self.undelivered.front().map(|(sender, _)| sender.clone());
            tokio::select! {
                permit = reserve(first.clone()), if first.is_some() => {
                    // Where nobody listens any more the event is of no use.
                    if let (Some((_, event)), Some(permit)) = (self.undelivered.pop_front(), permit) {
                        permit.send(event);
                    }
                }
                message = self.reader.next(), if first.is_none() => {
                    self.silent = false;
                    match message {
                        Some(Ok(Message::Text(text))) => self.take(text.as_bytes()),
                        Some(Ok(Message::Binary(bytes))) => self.take(&bytes),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(_)) => {}
                    }
                }
                next = next_command(&messages, &mut self.commands) => {
                    let Some((permit, command)) = next else { return };
                    permit.send(command.message);
                    // Whoever has stopped waiting needs nothing kept.
                    self.subscribers.retain(|(_, sender)| !sender.is_closed());
                    self.calls.retain(|_, call| !call.events.is_closed());
                    let mut call = Call { streamed: command.streamed, events: command.events, new_pty: None };
                    match command.pushes {
                        Some((Route::NewPty, sender)) => call.new_pty = Some(sender),
                        Some(subscriber) => self.subscribers.push(subscriber),
                        None => {}
                    }
                    self.calls.insert(command.id, call);
                }
                _ = self.heartbeat.tick() => {
                    // A reader that keeps us from reading keeps us from hearing the answer, too.
                    if self.silent && self.undelivered.is_empty() {
                        return;
                    }
                    self.silent = self.messages.try_send(Message::Ping(Default::default())).is_ok();
                }
            }
        }
    }

    /// One message: the answer of a call, or a push.
    fn take(&mut self, text: &[u8]) {
        let Some(incoming) = Incoming::read(text) else { return };
        let Some(call) = self.calls.get_mut(&incoming.id) else { return self.push(incoming) };
        let (streamed, events) = (call.streamed, call.events.clone());
        if let Some(sender) = call.new_pty.take()
            && let Some(id) = incoming.data.pointer("/result/ptySessionId").and_then(Value::as_str)
        {
            // Before the next message is read: that may be the terminal's first output.
            self.subscribers.push((Route::Pty(id.to_owned()), sender));
        }
        let id = incoming.id.clone();
        let event = incoming.answer(streamed);
        if !matches!(event, Event::Part(_)) {
            self.calls.remove(&id);
        }
        self.undelivered.push_back((events, event));
    }

    fn push(&mut self, incoming: Incoming) {
        let route = match (incoming.text("ptySessionId"), incoming.text("path")) {
            (Some(id), _) => Route::Pty(id.to_owned()),
            (None, Some(path)) => Route::Watch(path.to_owned()),
            (None, None) => return,
        };
        let listening = self.subscribers.iter().filter(|(wanted, _)| *wanted == route);
        self.undelivered.extend(listening.map(|(_, sender)| (sender.clone(), Event::Part(incoming.data.clone()))));
    }
}

async fn reserve(sender: Option<mpsc::Sender<Event>>) -> Option<mpsc::OwnedPermit<Event>> {
    sender?.reserve_owned().await.ok()
}

/// The next call, once there is room to send it. `None` when the connection is over.
async fn next_command<'a>(
    messages: &'a mpsc::Sender<Message>,
    commands: &mut mpsc::Receiver<Command>,
) -> Option<(mpsc::Permit<'a, Message>, Command)> {
    let permit = messages.reserve().await.ok()?;
    commands.recv().await.map(|command| (permit, command))
}
