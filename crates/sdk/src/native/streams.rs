//! Commands and terminals as streams.

use super::channel::{Channel, Failure, Frame};
use super::{Exec, Native, User};
use crate::command::CommandStream;
use crate::pty::{Pty, PtyEvent, PtyInput, PtyOptions, Wire};
use crate::{Error, Result};
use futures::StreamExt;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum PtyOutput {
    Opened { id: String },
    Exited { exit_code: i32 },
    Failed { error: Failure },
}

impl Native {
    /// Runs a command with its output as a stream, as root too. Dropping the stream kills the command.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use futures::TryStreamExt;
    /// use roadstead_sdk::native::{Exec, User};
    /// let mut stream = client.native().exec_stream("session-04bdwfj7u22a1s30g", &Exec::new("apt-get update").user(User::Root)).await?;
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn exec_stream(&self, session: &str, exec: &Exec) -> Result<CommandStream> {
        let operation = format!("running a command in session {session}");
        let channel = Channel::open(self, session, "exec", exec, operation).await?;
        Ok(CommandStream::new(channel, exec.stdin))
    }

    /// Makes a terminal, as root too. It lives on when the handle is dropped, until its program ends or it is killed.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::{PtyOptions, native::User};
    /// let pty = client.native().pty("session-04bdwfj7u22a1s30g", PtyOptions::new().size(120, 40), User::Root).await?;
    /// # Ok(()) }
    /// ```
    pub async fn pty(&self, session: &str, options: PtyOptions, user: User) -> Result<Pty> {
        options.check()?;
        let mut target = serde_json::to_value(&options).unwrap_or_default();
        target["kind"] = "new".into();
        self.open_pty(session, json!({"target": target, "user": user}), "making a terminal in").await
    }

    /// Connects to a terminal that lives, by its id.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let native = client.native();
    /// for id in native.ptys("session-04bdwfj7u22a1s30g").await? {
    ///     let pty = native.pty_connect("session-04bdwfj7u22a1s30g", &id).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn pty_connect(&self, session: &str, id: &str) -> Result<Pty> {
        self.open_pty(session, json!({"target": {"kind": "existing", "id": id}}), "connecting to a terminal in").await
    }

    /// The ids of a session's terminals, oldest first.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{:?}", client.native().ptys("session-04bdwfj7u22a1s30g").await?);
    /// # Ok(()) }
    /// ```
    pub async fn ptys(&self, session: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Ptys {
            #[serde(alias = "ptys")]
            ids: Vec<String>,
        }
        let operation = format!("listing the terminals of session {session}");
        let found: Ptys = self.request(Method::GET, &["sessions", session, "ptys"], &operation, None::<&()>, None).await?;
        Ok(found.ids)
    }

    /// Ends a terminal: its program and everything it started are killed.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.native().kill_pty("session-04bdwfj7u22a1s30g", "pty-1").await?;
    /// # Ok(()) }
    /// ```
    pub async fn kill_pty(&self, session: &str, id: &str) -> Result<()> {
        let operation = format!("ending terminal {id} of session {session}");
        let done: Result<Value> = self.request(Method::DELETE, &["sessions", session, "ptys", id], &operation, None::<&()>, None).await;
        done.map(drop)
    }

    /// What a session uses, in the server's own form.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{:#}", client.native().metrics("session-04bdwfj7u22a1s30g").await?);
    /// # Ok(()) }
    /// ```
    pub async fn metrics(&self, session: &str) -> Result<Value> {
        let operation = format!("measuring session {session}");
        self.request(Method::GET, &["sessions", session, "metrics"], &operation, None::<&()>, None).await
    }

    /// Calls a tool in the server's own form: JSON arguments in, JSON result out.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let result = client.native().call_tool("session-04bdwfj7u22a1s30g", "get_env", &serde_json::json!({})).await?;
    /// # Ok(()) }
    /// ```
    pub async fn call_tool(&self, session: &str, tool: &str, arguments: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        struct Done {
            result: Value,
        }
        let operation = format!("calling tool {tool} in session {session}");
        let done: Done = self.request(Method::POST, &["sessions", session, "tools", tool], &operation, Some(arguments), None).await?;
        Ok(done.result)
    }

    async fn open_pty(&self, session: &str, opening: Value, doing: &str) -> Result<Pty> {
        let mut channel = Channel::open(self, session, "pty", &opening, format!("{doing} session {session}")).await?;
        let id = match channel.frame().await?.parse(channel.operation())? {
            PtyOutput::Opened { id } => id,
            PtyOutput::Failed { error } => return Err(channel.failed("pty", error)),
            PtyOutput::Exited { .. } => return Err(Error::unexpected(channel.operation(), "it ended before it was there", None)),
        };
        let input = PtyInput::new(channel.sender(), Wire::Native, channel.operation());
        let events = futures::stream::unfold(channel, |mut channel| async move {
            let event = channel.frame().await.and_then(|frame| pty_event(&channel, frame));
            Some((event, channel))
        });
        Ok(Pty::new(id, input, events.boxed()))
    }
}

fn pty_event(channel: &Channel, frame: Frame) -> Result<PtyEvent> {
    match frame {
        Frame::Data(bytes) | Frame::Stderr(bytes) => Ok(PtyEvent::Output(bytes)),
        Frame::Message(_) => match frame.parse(channel.operation())? {
            PtyOutput::Exited { exit_code } => Ok(PtyEvent::Exited(exit_code)),
            PtyOutput::Failed { error } => Err(channel.failed("pty", error)),
            PtyOutput::Opened { .. } => Ok(PtyEvent::Output(bytes::Bytes::new())),
        },
    }
}
