//! Sending on a WebSocket from code that is polled.

use crate::ws::Message;
use std::io;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// Most bytes in one message.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// A sender that can be polled.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    sender: PollSender<Message>,
}

impl Sender {
    pub(crate) fn new(sender: mpsc::Sender<Message>) -> Self {
        Self { sender: PollSender::new(sender) }
    }

    /// Sends the message that `make` makes, once there is room.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, make: impl FnOnce() -> Message) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.sender.poll_reserve(cx)).map_err(gone)?;
        Poll::Ready(self.sender.send_item(make()).map_err(gone))
    }

    /// Sends the first of `bytes` as the message that `make` makes of them; says how many.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        make: impl FnOnce(&[u8]) -> Message,
    ) -> Poll<io::Result<usize>> {
        let piece = &bytes[..bytes.len().min(MAX_BYTES)];
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_send(cx, || make(piece)))?;
        Poll::Ready(Ok(piece.len()))
    }

    /// Sends a last message without waiting; where there is no room yet, a task waits for it.
    pub(crate) fn send_later(&self, message: Message) {
        let Some(sender) = self.sender.get_ref().cloned() else { return };
        if let Err(mpsc::error::TrySendError::Full(message)) = sender.try_send(message)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { sender.send(message).await });
        }
    }
}
