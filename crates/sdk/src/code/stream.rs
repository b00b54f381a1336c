//! Code with its output as it comes.

use super::{CodeError, CodeOutput, CodeResult, RunCode};
use crate::link::{Event, Events};
use crate::{Error, Result, Session};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Who runs code when the tool list does not say.
const DEFAULT_SERVER: &str = "wuying_codespace";

/// What happens while code runs.
///
/// ```no_run
/// # fn example(event: roadstead_sdk::CodeEvent) {
/// use roadstead_sdk::CodeEvent;
/// match event {
///     CodeEvent::Stdout(text) => print!("{text}"),
///     CodeEvent::Result(result) => println!("{:?}", result.text),
///     CodeEvent::Ended(end) => println!("execution {:?}", end.execution_count),
///     _ => {}
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CodeEvent {
    /// Text on standard output.
    Stdout(String),
    /// Text on standard error.
    Stderr(String),
    /// Something to show.
    Result(Box<CodeResult>),
    /// The code raised an error.
    Error(CodeError),
    /// The end.
    Ended(CodeEnd),
}

/// How code ended.
///
/// ```no_run
/// # fn example(end: roadstead_sdk::CodeEnd) {
/// println!("{:?} in {:?}", end.execution_count, end.execution_time);
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeEnd {
    /// The kernel's count of executions, when the service tells it.
    pub execution_count: Option<u64>,
    /// How long the code ran, when the service tells it.
    pub execution_time: Option<Duration>,
    /// The error that ended it, when there was one.
    pub error: Option<CodeError>,
}

/// Streamed code about to run: set it up, then `.await` it.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::Language;
/// let events = session.code().run_code_stream("1 + 1", Language::Python).timeout(std::time::Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "code runs when it is awaited"]
pub struct RunCodeStream {
    run: RunCode,
}

impl RunCodeStream {
    pub(super) fn new(run: RunCode) -> Self {
        Self { run }
    }

    /// The code's time limit, 60 s unless set; see [`RunCode::timeout`].
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Language;
    /// session.code().run_code_stream("train()", Language::Python).timeout(std::time::Duration::from_secs(600)).await?;
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.run = self.run.timeout(limit);
        self
    }

    async fn start(self) -> Result<CodeStream> {
        let RunCode { session, code, language, .. } = &self.run;
        let operation = format!("running code in session {}", session.id());
        let params = json!({"language": language.as_str(), "timeoutS": self.run.seconds()?, "code": code});
        let target = session.server_of("run_code").unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        let events = session.link_stream(&target, json!({"method": "run_code", "mode": "stream", "params": params}), &operation).await?;
        Ok(CodeStream { events: read(session.clone(), events, operation).boxed() })
    }
}

impl IntoFuture for RunCodeStream {
    type Output = Result<CodeStream>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// The events of running code; they end after [`CodeEvent::Ended`], or after an error.
///
/// Dropping the stream stops the listening; the code runs on, until its time limit.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::Language;
/// let output = session.code().run_code_stream("print(1)", Language::Python).await?.output().await?;
/// assert_eq!(output.stdout, "1\n");
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing until it is read"]
pub struct CodeStream {
    events: BoxStream<'static, Result<CodeEvent>>,
}

impl std::fmt::Debug for CodeStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeStream")
    }
}

impl Stream for CodeStream {
    type Item = Result<CodeEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

impl CodeStream {
    /// Reads to the end and brings back everything that had not been read yet.
    ///
    /// ```no_run
    /// # async fn example(events: roadstead_sdk::CodeStream) -> roadstead_sdk::Result<()> {
    /// println!("{}", events.output().await?.stdout);
    /// # Ok(()) }
    /// ```
    pub async fn output(mut self) -> Result<CodeOutput> {
        let mut output = CodeOutput::default();
        while let Some(event) = self.next().await {
            match event? {
                CodeEvent::Stdout(text) => output.stdout.push_str(&text),
                CodeEvent::Stderr(text) => output.stderr.push_str(&text),
                CodeEvent::Result(result) => output.results.push(*result),
                CodeEvent::Error(error) => output.error = Some(error),
                CodeEvent::Ended(end) => {
                    output.execution_count = end.execution_count;
                    output.execution_time = end.execution_time;
                    // The end has the traceback, too.
                    output.error = end.error.or(output.error);
                }
            }
        }
        Ok(output)
    }
}

/// The events as types. The session's handle comes along: it holds the connection.
fn read(session: Session, events: Events, operation: String) -> impl Stream<Item = Result<CodeEvent>> + Send {
    futures::stream::unfold(Some((session, events, operation)), |state| async {
        let (session, mut events, operation) = state?;
        loop {
            let event = match events.next().await {
                Ok(Event::Part(data)) => match part(data) {
                    Some(event) => event,
                    // A kind of event that came after this crate was made.
                    None => continue,
                },
                Ok(Event::End(data)) => return Some((Ok(CodeEvent::Ended(end(&data))), None)),
                Ok(Event::Failed(message)) => return Some((Err(Error::tool("run_code", message, "")), None)),
                Err(error) => return Some((Err(error), None)),
            };
            return Some((Ok(event), Some((session, events, operation))));
        }
    })
}

fn part(mut data: Value) -> Option<CodeEvent> {
    let chunk = || data.get("chunk").and_then(Value::as_str).unwrap_or_default().to_owned();
    match data.get("eventType").and_then(Value::as_str)? {
        "stdout" => Some(CodeEvent::Stdout(chunk())),
        "stderr" => Some(CodeEvent::Stderr(chunk())),
        "result" => Some(CodeEvent::Result(Box::new(CodeResult::read(data.get_mut("result")?.take())))),
        "error" => CodeError::read(data.get("error")?).map(CodeEvent::Error),
        _ => None,
    }
}

fn end(data: &Value) -> CodeEnd {
    let failed = data.get("status").and_then(Value::as_str) == Some("failed");
    let told = data.get("executionError").and_then(CodeError::read);
    let untold = || CodeError { message: "the service says that it failed, and not why".into(), ..CodeError::default() };
    CodeEnd {
        execution_count: data.get("executionCount").and_then(Value::as_u64),
        execution_time: data.get("executionTime").and_then(Value::as_f64).and_then(|s| Duration::try_from_secs_f64(s).ok()),
        error: told.or_else(|| failed.then(untold)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_types_and_unknown_ones_nothing() {
        assert_eq!(part(json!({"eventType": "stdout", "chunk": "a"})), Some(CodeEvent::Stdout("a".into())));
        let result = part(json!({"eventType": "result", "result": {"isMainResult": true, "mime": {"text/plain": "4"}}}));
        assert!(matches!(result, Some(CodeEvent::Result(result)) if result.is_main && result.text.as_deref() == Some("4")));
        let error = part(json!({"eventType": "error", "error": {"code": "NameError", "message": "x", "traceId": "t"}}));
        assert!(matches!(error, Some(CodeEvent::Error(error)) if error.message == "NameError: x"));
        assert_eq!(part(json!({"eventType": "new"})), None);
    }

    #[test]
    fn an_end_tells_failures_in_two_ways() {
        let good = end(&json!({"executionCount": 3, "executionTime": 0.25, "executionError": "", "status": "finished"}));
        assert_eq!((good.execution_count, good.execution_time, good.error), (Some(3), Some(Duration::from_millis(250)), None));
        assert!(end(&json!({"status": "failed"})).error.is_some());
        assert_eq!(end(&json!({"executionError": "boom"})).error.unwrap().message, "boom");
    }
}
