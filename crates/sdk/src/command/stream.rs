//! Commands with their output as it comes.

use crate::native::channel::{Channel, Failure, Frame, data, message};
use crate::sender::Sender;
use crate::{CommandOutput, Error, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// What happens while a command runs.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use futures::TryStreamExt;
/// use roadstead_sdk::CommandEvent;
/// let mut stream = session.command().stream("make 2>&1").await?;
/// while let Some(event) = stream.try_next().await? {
///     match event {
///         CommandEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
///         CommandEvent::Stderr(bytes) => eprint!("{}", String::from_utf8_lossy(&bytes)),
///         CommandEvent::Exited { exit_code, .. } => println!("exit code {exit_code}"),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandEvent {
    /// Bytes of standard output, as they came.
    Stdout(Bytes),
    /// Bytes of standard error, likewise.
    Stderr(Bytes),
    /// The end: all output has been seen.
    Exited {
        /// The exit code; 128 + signal number when a signal ended it, 124 when its time limit did.
        exit_code: i32,
        /// Whether the time limit ended it.
        timed_out: bool,
    },
}

/// A running command: a stream of its output that ends after [`CommandEvent::Exited`], or after an error.
///
/// The command ends with the stream: dropping it kills everything the command started. When it is not read, the
/// command stops at a full pipe, as with any program.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use tokio::io::AsyncWriteExt;
/// let mut stream = session.command().stream("sort").stdin(true).await?;
/// if let Some(mut stdin) = stream.stdin() {
///     let _ = stdin.write_all(b"b\na\n").await;
/// } // dropped: end of input
/// assert_eq!(stream.output().await?.stdout, "a\nb\n");
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "dropping the stream ends the command"]
pub struct CommandStream {
    channel: Channel,
    stdin: Option<CommandStdin>,
    ended: bool,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Output {
    Exited {
        exit_code: i32,
        #[serde(default)]
        timed_out: bool,
    },
    Failed {
        error: Failure,
    },
}

impl CommandStream {
    pub(crate) fn new(channel: Channel, stdin: bool) -> Self {
        let stdin = stdin.then(|| CommandStdin { sender: Sender::new(channel.sender()), open: true });
        Self { channel, stdin, ended: false }
    }

    /// Standard input, once, when it was asked for. Dropping it ends the input.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let mut stream = session.command().stream("cat").stdin(true).await?;
    /// let stdin = stream.stdin();
    /// # Ok(()) }
    /// ```
    pub fn stdin(&mut self) -> Option<CommandStdin> {
        self.stdin.take()
    }

    /// Sends a signal, 1–64, to the command and everything it started.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let stream = session.command().stream("sleep 60").await?;
    /// stream.signal(15).await?;
    /// # Ok(()) }
    /// ```
    pub async fn signal(&self, signal: i32) -> Result<()> {
        self.signals().send(signal).await
    }

    /// Sends signals while the stream itself is in use elsewhere.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let stream = session.command().stream("sleep 60").await?;
    /// let signals = stream.signals();
    /// tokio::spawn(async move { signals.send(2).await });
    /// println!("{}", stream.output().await?.exit_code);
    /// # Ok(()) }
    /// ```
    pub fn signals(&self) -> CommandSignals {
        CommandSignals { sender: self.channel.sender(), operation: self.channel.operation().to_owned() }
    }

    /// Reads to the end and brings back everything that had not been read yet. Standard input that was not taken is
    /// closed first.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", session.command().stream("date").await?.output().await?.stdout);
    /// # Ok(()) }
    /// ```
    pub async fn output(mut self) -> Result<CommandOutput> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr, mut output) = (Vec::new(), Vec::new(), CommandOutput::default());
        while let Some(event) = self.next().await {
            match event? {
                CommandEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                CommandEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                CommandEvent::Exited { exit_code, timed_out } => (output.exit_code, output.timed_out) = (exit_code, timed_out),
            }
        }
        output.stdout = String::from_utf8_lossy(&stdout).into_owned();
        output.stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(output)
    }

    fn event(&mut self, frame: Frame) -> Result<CommandEvent> {
        match frame {
            Frame::Data(bytes) => Ok(CommandEvent::Stdout(bytes)),
            Frame::Stderr(bytes) => Ok(CommandEvent::Stderr(bytes)),
            Frame::Message(_) => {
                self.ended = true;
                match frame.parse(self.channel.operation())? {
                    Output::Exited { exit_code, timed_out } => Ok(CommandEvent::Exited { exit_code, timed_out }),
                    Output::Failed { error } => Err(self.channel.failed("exec", error)),
                }
            }
        }
    }
}

impl Stream for CommandStream {
    type Item = Result<CommandEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = ready!(self.channel.poll_frame(cx)).and_then(|frame| self.event(frame));
        self.ended |= event.is_err();
        Poll::Ready(Some(event))
    }
}

/// Sends signals to a running command, see [`CommandStream::signals`].
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let stream = session.command().stream("sleep 60").await?;
/// stream.signals().send(9).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct CommandSignals {
    sender: tokio::sync::mpsc::Sender<crate::ws::Message>,
    operation: String,
}

impl CommandSignals {
    /// Sends one signal, 1–64.
    ///
    /// ```no_run
    /// # async fn example(signals: roadstead_sdk::CommandSignals) -> roadstead_sdk::Result<()> {
    /// signals.send(15).await?; // SIGTERM
    /// # Ok(()) }
    /// ```
    pub async fn send(&self, signal: i32) -> Result<()> {
        if !(1..=64).contains(&signal) {
            return Err(Error::invalid(format!("{signal} is no signal: they count from 1 to 64")));
        }
        let sent = self.sender.send(message(&json!({"kind": "signal", "signal": signal}))).await;
        sent.map_err(|_| Error::lost(&self.operation, "the command has ended"))
    }
}

/// A running command's standard input. Shutting it down, or dropping it, ends the input.
///
/// ```no_run
/// # async fn example(mut stdin: roadstead_sdk::CommandStdin) -> std::io::Result<()> {
/// use tokio::io::AsyncWriteExt;
/// stdin.write_all(b"one line\n").await?;
/// stdin.shutdown().await
/// # }
/// ```
#[derive(Debug)]
pub struct CommandStdin {
    sender: Sender,
    open: bool,
}

fn end_of_input() -> crate::ws::Message {
    message(&json!({"kind": "eof"}))
}

impl AsyncWrite for CommandStdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.sender.poll_write(cx, bytes, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.open {
            // A command that ended first no longer cares.
            let _ = ready!(self.sender.poll_send(cx, end_of_input));
            self.open = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for CommandStdin {
    fn drop(&mut self) {
        if self.open {
            self.sender.send_later(end_of_input());
        }
    }
}
