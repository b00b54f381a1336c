//! Code in kernels: one per session and language, whose state is kept between calls.

mod output;
mod stream;

pub use output::{CodeError, CodeOutput, CodeResult};
pub use stream::{CodeEnd, CodeEvent, CodeStream, RunCodeStream};

use crate::{CallOptions, Error, Response, Result, Session};
use serde_json::json;
use std::pin::Pin;
use std::time::Duration;

/// The code's time limit unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// What a request may take beyond its code's limit: the way there and back, and starting a kernel.
const GRACE: Duration = Duration::from_secs(30);

/// A language that code can be in. Which of them an image has is the image's affair; `code_latest` has all.
///
/// ```no_run
/// use roadstead_sdk::Language;
/// assert_eq!(Language::Javascript.as_str(), "javascript");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript (Node.js).
    Javascript,
    /// R.
    R,
    /// Java.
    Java,
}

impl Language {
    /// The service's word.
    ///
    /// ```no_run
    /// assert_eq!(roadstead_sdk::Language::R.as_str(), "r");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::R => "r",
            Self::Java => "java",
        }
    }
}

/// Runs code in one session, see [`Session::code`].
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::Language;
/// let code = session.code();
/// code.run_code("x = 20", Language::Python).await?;
/// let output = code.run_code("x + 1", Language::Python).await?;
/// assert_eq!(output.text(), Some("21"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Code {
    session: Session,
}

/// Code about to run: set it up, then `.await` it.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::Language;
/// let output = session.code().run_code("1 + 1", Language::Python).timeout(std::time::Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "code runs when it is awaited"]
pub struct RunCode {
    session: Session,
    code: String,
    language: Language,
    timeout: Duration,
}

impl Code {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Runs code to its end, for at most 60 s unless another limit is set. An error that the code raises is part of the
    /// result ([`CodeOutput::error`]), not an [`Error`].
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Language;
    /// let output = session.code().run_code("1 / 0", Language::Python).await?;
    /// println!("{}", output.error.as_ref().map_or("fine", |error| &error.message));
    /// # Ok(()) }
    /// ```
    pub fn run_code(&self, code: impl Into<String>, language: Language) -> RunCode {
        RunCode { session: self.session.clone(), code: code.into(), language, timeout: DEFAULT_TIMEOUT }
    }

    /// Runs code with its output as it comes. Needs a service with a WebSocket.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use futures::TryStreamExt;
    /// use roadstead_sdk::{CodeEvent, Language};
    /// let mut events = session.code().run_code_stream("for n in range(3): print(n)", Language::Python).await?;
    /// while let Some(event) = events.try_next().await? {
    ///     if let CodeEvent::Stdout(text) = event {
    ///         print!("{text}");
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn run_code_stream(&self, code: impl Into<String>, language: Language) -> RunCodeStream {
        RunCodeStream::new(self.run_code(code, language))
    }
}

impl RunCode {
    /// The code's time limit, 60 s unless set: when it passes, the code is interrupted and the kernel's state is kept.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Language;
    /// let output = session.code().run_code("while True: pass", Language::Python).timeout(std::time::Duration::from_secs(1)).await?;
    /// assert!(!output.success());
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The limit in the whole seconds that the protocol counts in, rounded up.
    fn seconds(&self) -> Result<u64> {
        match self.timeout.as_secs() + u64::from(self.timeout.subsec_nanos() > 0) {
            0 => Err(Error::invalid("a time limit of 0 would end the code at once")),
            seconds => Ok(seconds),
        }
    }

    async fn send(self) -> Result<Response<CodeOutput>> {
        let arguments = json!({"code": self.code, "language": self.language.as_str(), "timeout_s": self.seconds()?});
        let wait = self.timeout.saturating_add(GRACE).max(self.session.transport().timeout());
        let result = self.session.call_mcp_tool("run_code", arguments, CallOptions::new().read_timeout(wait)).await?;
        let Response { request_id, value, .. } = result;
        match CodeOutput::read(&value.text) {
            Some(output) => Ok(Response::new(request_id, output)),
            None if value.is_error => Err(Error::tool("run_code", value.text, request_id)),
            None => Ok(Response::new(request_id, CodeOutput::plain(value.text))),
        }
    }
}

impl IntoFuture for RunCode {
    type Output = Result<Response<CodeOutput>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
