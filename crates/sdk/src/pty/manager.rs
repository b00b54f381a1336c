//! The terminals of a session, over its shared connection.

use super::{PTY_SERVER, Pty, PtyEvent, PtyInput, PtyOptions, Wire};
use crate::link::{Event, Route, Subscription};
use crate::{Error, Result, Session};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

/// The terminals of one session, see [`Session::pty`]. Needs a service with a WebSocket.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::PtyOptions;
/// let mut pty = session.pty().create(PtyOptions::new()).await?;
/// pty.input().write(b"exit 4\n").await?;
/// assert_eq!(pty.wait().await?, 4);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Ptys {
    session: Session,
}

impl Ptys {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Makes a terminal. It lives until its program ends or it is killed, whatever becomes of the handle.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let pty = session.pty().create(roadstead_sdk::PtyOptions::new().size(120, 40)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn create(&self, options: PtyOptions) -> Result<Pty> {
        options.check()?;
        let mut envs = options.envs;
        envs.entry("TERM".into()).or_insert_with(|| "xterm-256color".into());
        envs.entry("LANG".into()).or_insert_with(|| "C.UTF-8".into());
        let mut params = json!({"cols": options.size.cols, "rows": options.size.rows, "envs": envs});
        for (name, value) in [("cwd", options.cwd), ("shell", options.shell)] {
            if let Some(value) = value {
                params[name] = value.into();
            }
        }
        self.open("pty.create", params, Route::NewPty, "making a terminal in").await
    }

    /// Connects to a terminal that lives: what it shows from now on comes here too.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// for id in session.pty().list().await? {
    ///     let pty = session.pty().connect(&id).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn connect(&self, id: &str) -> Result<Pty> {
        self.open("pty.connect", json!({"ptySessionId": id}), Route::Pty(id.to_owned()), "connecting to a terminal in").await
    }

    /// The ids of the terminals that live.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{:?}", session.pty().list().await?);
    /// # Ok(()) }
    /// ```
    pub async fn list(&self) -> Result<Vec<String>> {
        let operation = self.doing("listing the terminals of");
        let data = self.session.link_call(PTY_SERVER, json!({"method": "pty.list", "params": {}}), &operation).await?;
        let ids = data.pointer("/result/ptySessionIds").cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(ids).map_err(|error| Error::unexpected(&operation, error.to_string(), None))
    }

    /// Ends a terminal: its program and everything it started are killed.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session, pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// session.pty().kill(pty.id()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn kill(&self, id: &str) -> Result<()> {
        let data = json!({"method": "pty.kill", "params": {"ptySessionId": id}});
        self.session.link_call(PTY_SERVER, data, &self.doing("ending a terminal in")).await.map(drop)
    }

    async fn open(&self, method: &str, params: Value, route: Route, doing: &str) -> Result<Pty> {
        let operation = self.doing(doing);
        let data = json!({"method": method, "params": params});
        let Subscription { answer, pushes, messages } = self.session.link_subscribe(PTY_SERVER, data, route, &operation).await?;
        let id = answer.pointer("/result/ptySessionId").and_then(Value::as_str);
        let id = id.ok_or_else(|| Error::unexpected(&operation, "it names no terminal", None))?.to_owned();
        let input = PtyInput::new(messages, Wire::AgentBay { id: id.clone() }, &operation);
        // The session's handle comes along: it holds the connection.
        let events = futures::stream::unfold((self.session.clone(), pushes), |(session, mut pushes)| async {
            let event = pushes.next().await.and_then(event);
            Some((event, (session, pushes)))
        });
        Ok(Pty::new(id, input, events.boxed()))
    }

    fn doing(&self, doing: &str) -> String {
        format!("{doing} session {}", self.session.id())
    }
}

fn event(event: Event) -> Result<PtyEvent> {
    let data = match event {
        Event::Part(data) | Event::End(data) => data,
        Event::Failed(message) => return Err(Error::tool("pty", message, "")),
    };
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("eventType") {
        "pty.output" if text("encoding") == "base64" => {
            let bytes = STANDARD.decode(text("data"));
            let bytes = bytes.map_err(|error| Error::unexpected("reading a terminal", format!("it is no base64: {error}"), None))?;
            Ok(PtyEvent::Output(bytes.into()))
        }
        "pty.output" => Ok(PtyEvent::Output(text("data").to_owned().into())),
        "pty.exit" => {
            let code = data.get("exitCode").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
            Ok(PtyEvent::Exited(code.unwrap_or(-1)))
        }
        "pty.error" => Err(Error::tool("pty", text("error"), "")),
        // A kind of event that came after this crate was made shows nothing.
        _ => Ok(PtyEvent::Output(Bytes::new())),
    }
}
