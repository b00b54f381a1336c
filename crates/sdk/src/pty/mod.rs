//! Terminals in a session.

mod manager;
mod options;

pub use manager::Ptys;
pub use options::{PtyOptions, PtySize};

use crate::native::channel;
use crate::sender::Sender;
use crate::ws::Message;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde_json::json;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// A terminal: what it shows is read from it, what is written to it is typed.
///
/// It is a stream of bytes, and it is [`AsyncRead`] and [`AsyncWrite`]; all end when its program ends, and then
/// [`Pty::exit_code`] tells how. Dropping the handle leaves the terminal alive: connect to it again by its id.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use futures::TryStreamExt;
/// use roadstead_sdk::PtyOptions;
/// let mut pty = session.pty().create(PtyOptions::new().size(80, 24)).await?;
/// pty.input().write(b"stty size; exit 3\n").await?;
/// while let Some(bytes) = pty.try_next().await? {
///     print!("{}", String::from_utf8_lossy(&bytes));
/// }
/// assert_eq!(pty.exit_code(), Some(3));
/// # Ok(()) }
/// ```
#[must_use = "a terminal that nobody reads stops when its buffer is full"]
pub struct Pty {
    id: String,
    input: PtyInput,
    events: BoxStream<'static, Result<PtyEvent>>,
    unread: Bytes,
    exit_code: Option<i32>,
    failed: bool,
}

/// What a terminal does.
#[derive(Debug)]
pub(crate) enum PtyEvent {
    Output(Bytes),
    Exited(i32),
}

/// How input travels.
#[derive(Debug, Clone)]
pub(crate) enum Wire {
    /// Over a `/v1` stream of its own.
    Native,
    /// Over the session's shared connection.
    AgentBay { id: String },
}

impl Wire {
    fn data(&self, bytes: &[u8]) -> Message {
        match self {
            Self::Native => channel::data(bytes),
            // Base64 always: a piece of input may end inside a character.
            Self::AgentBay { id } => self.frame(json!({
                "method": "pty.input",
                "params": {"ptySessionId": id, "encoding": "base64", "data": STANDARD.encode(bytes)},
            })),
        }
    }

    fn resize(&self, size: PtySize) -> Message {
        match self {
            Self::Native => channel::message(&json!({"kind": "resize", "size": size})),
            Self::AgentBay { id } => self.frame(json!({
                "method": "pty.resize",
                "params": {"ptySessionId": id, "cols": size.cols, "rows": size.rows},
            })),
        }
    }

    fn frame(&self, data: serde_json::Value) -> Message {
        crate::link::frame(&crate::ws::invocation_id(), PTY_SERVER, data)
    }
}

/// Whom the shared connection's messages about terminals are for.
pub(crate) const PTY_SERVER: &str = "PTY_SERVER";

impl Pty {
    pub(crate) fn new(id: String, input: PtyInput, events: BoxStream<'static, Result<PtyEvent>>) -> Self {
        Self { id, input, events, unread: Bytes::new(), exit_code: None, failed: false }
    }

    /// Its id, by which others can connect to it.
    ///
    /// ```no_run
    /// # fn example(pty: roadstead_sdk::Pty) {
    /// println!("{}", pty.id());
    /// # }
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The side that is typed on; it can be cloned and used while the terminal is read elsewhere.
    ///
    /// ```no_run
    /// # async fn example(pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// pty.input().write(b"ls\n").await?;
    /// # Ok(()) }
    /// ```
    pub fn input(&self) -> PtyInput {
        self.input.clone()
    }

    /// Tells the program a new size.
    ///
    /// ```no_run
    /// # async fn example(pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// pty.resize(120, 40).await?;
    /// # Ok(()) }
    /// ```
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<()> {
        self.input.resize(cols, rows).await
    }

    /// How the program ended; known once everything it showed has been read.
    ///
    /// ```no_run
    /// # fn example(pty: roadstead_sdk::Pty) {
    /// println!("{:?}", pty.exit_code());
    /// # }
    /// ```
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }

    /// Reads and drops what is shown until the program ends; its exit code, 128 + signal number when a signal ended it.
    ///
    /// ```no_run
    /// # async fn example(mut pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// pty.input().write(b"exit\n").await?;
    /// println!("{}", pty.wait().await?);
    /// # Ok(()) }
    /// ```
    pub async fn wait(&mut self) -> Result<i32> {
        while let Some(bytes) = self.next().await {
            bytes?;
        }
        self.exit_code.ok_or_else(|| self.input.gone())
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if self.exit_code.is_some() || self.failed {
                return Poll::Ready(None);
            }
            match ready!(self.events.poll_next_unpin(cx)) {
                Some(Ok(PtyEvent::Output(bytes))) if bytes.is_empty() => {}
                Some(Ok(PtyEvent::Output(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Some(Ok(PtyEvent::Exited(code))) => self.exit_code = Some(code),
                Some(Err(error)) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(self.input.gone())));
                }
            }
        }
    }
}

impl std::fmt::Debug for Pty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pty").field("id", &self.id).field("exit_code", &self.exit_code).finish_non_exhaustive()
    }
}

impl Stream for Pty {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        self.poll_bytes(cx)
    }
}

impl AsyncRead for Pty {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            match ready!(self.poll_bytes(cx)) {
                Some(bytes) => self.unread = bytes.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The side of a terminal that is typed on, see [`Pty::input`]. Also [`AsyncWrite`].
///
/// ```no_run
/// # async fn example(pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
/// let keys = pty.input();
/// keys.write(b"sleep 60\n").await?;
/// keys.write(b"\x03").await?; // Ctrl-C
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct PtyInput {
    messages: mpsc::Sender<Message>,
    polled: Sender,
    wire: Wire,
    operation: String,
}

impl PtyInput {
    pub(crate) fn new(messages: mpsc::Sender<Message>, wire: Wire, operation: &str) -> Self {
        Self { polled: Sender::new(messages.clone()), messages, wire, operation: operation.to_owned() }
    }

    /// Types these bytes, all of them.
    ///
    /// ```no_run
    /// # async fn example(pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// pty.input().write(b"whoami\n").await?;
    /// # Ok(()) }
    /// ```
    pub async fn write(&self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(crate::sender::MAX_BYTES) {
            self.send(self.wire.data(piece)).await?;
        }
        Ok(())
    }

    /// Tells the program a new size, 1–500 each way.
    ///
    /// ```no_run
    /// # async fn example(pty: roadstead_sdk::Pty) -> roadstead_sdk::Result<()> {
    /// pty.input().resize(100, 30).await?;
    /// # Ok(()) }
    /// ```
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<()> {
        let size = PtySize { cols, rows };
        size.check()?;
        self.send(self.wire.resize(size)).await
    }

    async fn send(&self, message: Message) -> Result<()> {
        self.messages.send(message).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        Error::lost(&self.operation, "the terminal's connection has ended; connect to it by its id")
    }
}

impl AsyncWrite for PtyInput {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { polled, wire, .. } = self.get_mut();
        polled.poll_write(cx, bytes, |piece| wire.data(piece))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
