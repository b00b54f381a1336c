//! Running commands in a session.

mod stream;

pub use stream::{CommandEvent, CommandSignals, CommandStdin, CommandStream};

use crate::native::Exec;
use crate::{CallOptions, Error, Response, Result, Session};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

/// A command's time limit unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(50);
/// What a request may take beyond its command's limit: the way there and back, and killing what is left.
const GRACE: Duration = Duration::from_secs(10);
/// The exit code of a command that its time limit ended.
const TIMEOUT_EXIT_CODE: i32 = 124;

/// Runs commands in one session, see [`Session::command`].
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let output = session.command().run("echo hello").await?;
/// assert_eq!(output.stdout, "hello\n");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Command {
    session: Session,
}

/// A command about to run: set it up, then `.await` it.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use std::time::Duration;
/// let output = session.command().run("make test").cwd("/tmp/project").env("CI", "1").timeout(Duration::from_secs(40)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a command runs when it is awaited"]
pub struct RunCommand {
    session: Session,
    command: String,
    cwd: Option<String>,
    envs: BTreeMap<String, String>,
    timeout: Duration,
}

/// A command about to run with its output as a stream: set it up, then `.await` it.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let stream = session.command().stream("make test").cwd("/tmp/project").env("CI", "1").await?;
/// println!("{}", stream.output().await?.stdout);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a command runs when it is awaited"]
pub struct StreamCommand {
    session: Session,
    exec: Exec,
}

/// What a command printed, and how it ended.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let output = session.command().run("ls /nowhere").await?;
/// if !output.success() {
///     println!("exit code {}: {}", output.exit_code, output.stderr);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CommandOutput {
    /// Standard output. Bytes that are not UTF-8 stand as U+FFFD.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// The exit code; 128 + signal number when a signal ended it, 124 when its time limit did.
    #[serde(alias = "errorCode")]
    pub exit_code: i32,
    /// Whether the time limit ended it, as far as the service tells.
    pub timed_out: bool,
    /// Present when there was more standard output than is kept; a line at the end of `stdout` then says so too.
    pub stdout_cut: Option<Cut>,
    /// Present when there was more standard error than is kept, likewise.
    pub stderr_cut: Option<Cut>,
    /// The service's trace of the command, when it keeps one.
    #[serde(rename = "traceId")]
    pub trace_id: Option<String>,
}

/// Where a stream was cut: its first `kept_bytes` of `total_bytes` are there.
///
/// ```no_run
/// # fn example(output: roadstead_sdk::CommandOutput) {
/// if let Some(cut) = output.stdout_cut {
///     println!("{} of {} bytes", cut.kept_bytes, cut.total_bytes);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Cut {
    /// Bytes kept, from the start.
    pub kept_bytes: u64,
    /// Bytes the command wrote in all.
    pub total_bytes: u64,
}

impl Command {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// A command line for `sh -c`, with a time limit of 50 s unless another is set. A non-zero exit code is a result,
    /// not an error.
    ///
    /// Dropping the future stops the waiting, not the command.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", session.command().run("uname -r").await?.stdout);
    /// # Ok(()) }
    /// ```
    pub fn run(&self, command: impl Into<String>) -> RunCommand {
        RunCommand { session: self.session.clone(), command: command.into(), cwd: None, envs: BTreeMap::new(), timeout: DEFAULT_TIMEOUT }
    }
}

impl Command {
    /// A command line for `sh -c` whose output is read while it runs. It has no time limit unless one is set, and ends
    /// when its stream is dropped. Roadstead only: the hosted service has no such stream.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use futures::TryStreamExt;
    /// let mut stream = session.command().stream("ping -c 3 localhost").await?;
    /// while let Some(event) = stream.try_next().await? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream(&self, command: impl Into<String>) -> StreamCommand {
        StreamCommand { session: self.session.clone(), exec: Exec::new(command) }
    }
}

impl StreamCommand {
    /// The working directory; the user's home unless set.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().stream("ls").cwd("/tmp").await?;
    /// # Ok(()) }
    /// ```
    pub fn cwd(mut self, directory: impl Into<String>) -> Self {
        self.exec = self.exec.cwd(directory);
        self
    }

    /// One more environment variable.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().stream("echo $NAME").env("NAME", "ada").await?;
    /// # Ok(()) }
    /// ```
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.exec = self.exec.env(name, value);
        self
    }

    /// A time limit: when it passes, everything the command started is killed.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().stream("make").timeout(std::time::Duration::from_secs(600)).await?;
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.exec = self.exec.timeout(limit);
        self
    }

    /// Whether standard input comes over the stream ([`CommandStream::stdin`]); otherwise it is empty.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let mut stream = session.command().stream("cat").stdin(true).await?;
    /// # Ok(()) }
    /// ```
    pub fn stdin(mut self, stdin: bool) -> Self {
        self.exec = self.exec.stdin(stdin);
        self
    }
}

impl IntoFuture for StreamCommand {
    type Output = Result<CommandStream>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.session.inner.client.native().exec_stream(self.session.id(), &self.exec).await })
    }
}

impl RunCommand {
    /// The working directory; the user's home unless set.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().run("ls").cwd("/tmp").await?;
    /// # Ok(()) }
    /// ```
    pub fn cwd(mut self, directory: impl Into<String>) -> Self {
        self.cwd = Some(directory.into());
        self
    }

    /// One more environment variable.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().run("echo $NAME").env("NAME", "ada").await?;
    /// # Ok(()) }
    /// ```
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.envs.insert(name.into(), value.into());
        self
    }

    /// Several more environment variables.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.command().run("env").envs([("A", "1"), ("B", "2")]).await?;
    /// # Ok(()) }
    /// ```
    pub fn envs<K: Into<String>, V: Into<String>>(mut self, envs: impl IntoIterator<Item = (K, V)>) -> Self {
        self.envs.extend(envs.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The command's time limit, 50 s unless set: when it passes, everything the command started is killed and the
    /// output until then comes back. The hosted service allows at most 50 s.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let output = session.command().run("sleep 60").timeout(std::time::Duration::from_secs(1)).await?;
    /// assert!(output.timed_out);
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    async fn send(self) -> Result<Response<CommandOutput>> {
        if self.timeout.is_zero() {
            return Err(Error::invalid("a command's time limit of 0 would end it at once"));
        }
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut arguments = Map::from_iter([("command".into(), json!(self.command)), ("timeout_ms".into(), json!(timeout_ms))]);
        if let Some(cwd) = self.cwd {
            arguments.insert("cwd".into(), cwd.into());
        }
        if !self.envs.is_empty() {
            arguments.insert("envs".into(), json!(self.envs));
        }
        // The answer must be waited for at least as long as the command may run.
        let wait = self.timeout.saturating_add(GRACE).max(self.session.transport().timeout());
        let options = CallOptions::new().read_timeout(wait);
        let result = self.session.call_mcp_tool("shell", Value::Object(arguments), options).await?;
        let Response { request_id, value, .. } = result;
        match read_output(&value.text) {
            Some(output) => Ok(Response::new(request_id, output)),
            None if value.is_error => Err(Error::tool("shell", value.text, request_id)),
            None => Ok(Response::new(request_id, CommandOutput { stdout: value.text, ..CommandOutput::default() })),
        }
    }
}

impl IntoFuture for RunCommand {
    type Output = Result<Response<CommandOutput>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl CommandOutput {
    /// Whether the exit code is 0.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// assert!(session.command().run("true").await?.success());
    /// # Ok(()) }
    /// ```
    pub fn success(&self) -> bool {
        self.exit_code == 0
    }
}

/// The structured form of a command's result. `None` when the text is something else, such as a command's own JSON
/// output from a service that does not wrap it.
fn read_output(text: &str) -> Option<CommandOutput> {
    let value: Value = serde_json::from_str(text).ok()?;
    let has = |key: &str| value.get(key).is_some();
    if !((has("exit_code") || has("errorCode")) && (has("stdout") || has("stderr"))) {
        return None;
    }
    // A service that does not say so is believed to have ended what looks like it.
    let says_whether_timed_out = has("timed_out");
    let mut output: CommandOutput = serde_json::from_value(value).ok()?;
    if !says_whether_timed_out {
        output.timed_out = output.exit_code == TIMEOUT_EXIT_CODE && output.stderr.contains("timed out");
    }
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrapper_is_read_as_one() {
        let wrapped =
            read_output(r#"{"stdout":"a\u0000b","stderr":"","exit_code":3,"traceId":"t","stdout_cut":{"kept_bytes":3,"total_bytes":9}}"#);
        let output = wrapped.unwrap();
        assert_eq!((output.stdout.as_str(), output.exit_code, output.success()), ("a\0b", 3, false));
        assert_eq!(output.stdout_cut, Some(Cut { kept_bytes: 3, total_bytes: 9 }));
        let timed_out = |extra: &str| {
            let text = format!(r#"{{"stdout":"","stderr":"timed out after 5 ms","exit_code":124{extra}}}"#);
            read_output(&text).unwrap().timed_out
        };
        assert!(timed_out(""), "a service that does not say");
        assert!(timed_out(r#","timed_out":true"#));
        assert!(!timed_out(r#","timed_out":false"#), "the command's own words do not count then");
        assert_eq!(read_output(r#"{"stdout":"","stderr":"no","errorCode":127}"#).unwrap().exit_code, 127);
        for other in ["plain", r#"{"stdout":"only this"}"#, "[1]", r#"{"exit_code":1}"#] {
            assert_eq!(read_output(other), None, "{other}");
        }
    }
}
