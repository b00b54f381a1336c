//! One `/v1` stream: a WebSocket with JSON messages and bytes on numbered channels.

use super::Native;
use crate::ws::{Guard, Message, Opened, Reader, open, split};
use crate::{Error, Result};
use bytes::Bytes;
use futures::{SinkExt, Stream};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Channel of standard input, standard output, and what a terminal shows or gets.
const DATA: u8 = 1;
/// Channel of standard error.
const STDERR: u8 = 2;

/// What a stream brings.
pub(crate) enum Frame {
    /// JSON in the stream's vocabulary.
    Message(Bytes),
    Data(Bytes),
    Stderr(Bytes),
}

impl Frame {
    /// The message in a frame that must be one.
    pub(crate) fn parse<T: DeserializeOwned>(&self, operation: &str) -> Result<T> {
        match self {
            Self::Message(json) => serde_json::from_slice(json)
                .map_err(|error| Error::unexpected(operation, format!("a message of the stream: {error}"), None)),
            Self::Data(_) | Self::Stderr(_) => Err(Error::unexpected(operation, "bytes came where a message was due", None)),
        }
    }
}

/// A failure as streams tell it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Failure {
    message: String,
}

/// An open stream. Dropping it closes the connection.
pub(crate) struct Channel {
    reader: Reader,
    writer: mpsc::Sender<Message>,
    _task: Guard,
    operation: String,
    request_id: String,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Channel {
    /// Opens stream `kind` of a session and sends what it is to do.
    pub(crate) async fn open(native: &Native, session: &str, kind: &str, opening: &impl Serialize, operation: String) -> Result<Self> {
        let transport = &native.client.transport;
        let request = transport.native(Method::GET, &["sessions", session, "streams", kind])?;
        let (mut socket, request_id) = match open(request, &operation, transport.timeout()).await? {
            Opened::Socket { socket, request_id } => (socket, request_id),
            Opened::Refused(answer) => return Err(super::refusal(&operation, &answer)),
        };
        socket.send(message(opening)).await.map_err(|error| Error::lost(&operation, error))?;
        let (reader, writer, task) = split(*socket);
        Ok(Self { reader, writer, _task: task, operation, request_id })
    }

    pub(crate) fn operation(&self) -> &str {
        &self.operation
    }

    /// Where messages to the server go. It does not keep the stream open.
    pub(crate) fn sender(&self) -> mpsc::Sender<Message> {
        self.writer.clone()
    }

    /// The next frame. An end before the stream's last message is an error, so callers stop at that message.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.reader).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Frame::Message(text.into()),
                Some(Ok(Message::Binary(bytes))) => match bytes.first() {
                    Some(&DATA) => Frame::Data(bytes.slice(1..)),
                    Some(&STDERR) => Frame::Stderr(bytes.slice(1..)),
                    _ => return Poll::Ready(Err(Error::unexpected(&self.operation, "bytes on a channel that is not known", None))),
                },
                Some(Ok(Message::Close(Some(close)))) => return Poll::Ready(Err(self.lost(close))),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Poll::Ready(Err(self.lost(error))),
                None => return Poll::Ready(Err(self.lost("it ended before its last message"))),
            };
            return Poll::Ready(Ok(frame));
        }
    }

    pub(crate) async fn frame(&mut self) -> Result<Frame> {
        std::future::poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// The error behind a stream's `failed` message.
    pub(crate) fn failed(&self, what: &str, failure: Failure) -> Error {
        Error::tool(what, failure.message, &self.request_id)
    }

    fn lost(&self, reason: impl std::fmt::Display) -> Error {
        Error::lost(&self.operation, reason)
    }
}

/// A JSON message. What is sent is this crate's own types, which always are JSON.
pub(crate) fn message(content: &impl Serialize) -> Message {
    Message::text(serde_json::to_value(content).unwrap_or_default().to_string())
}

/// Bytes for standard input or a terminal.
pub(crate) fn data(bytes: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(DATA);
    frame.extend_from_slice(bytes);
    Message::binary(frame)
}
