//! What waits to be sent to a client: bounded in messages and in bytes. Who has something to send waits for room.

use futures::{Sink, SinkExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;

/// Messages that wait at once.
const MESSAGES: usize = 64;
/// Their bytes. A longer message waits alone.
const BYTES: u32 = 1 << 20;

/// The way to a client.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::Sender<(Message, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// Nobody sends any more: the connection is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// What is sent from an [`Outbox`].
#[derive(Debug)]
pub(super) struct Outgoing(mpsc::Receiver<(Message, OwnedSemaphorePermit)>);

/// Why no more is sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The client did not take a message in time.
    #[error("the client did not take a message within {0:?}")]
    Stuck(Duration),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] tokio_tungstenite::tungstenite::Error),
}

/// An empty outbox.
pub(super) fn outbox() -> (Outbox, Outgoing) {
    let (queue, outgoing) = mpsc::channel(MESSAGES);
    (Outbox { queue, room: Arc::new(Semaphore::new(BYTES as usize)) }, Outgoing(outgoing))
}

impl Outbox {
    /// Leaves a message to be sent, once there is room.
    pub(super) async fn send(&self, message: impl Into<Message>) -> Result<(), Gone> {
        let message = message.into();
        let bytes = u32::try_from(message.len()).unwrap_or(BYTES).clamp(1, BYTES);
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| Gone)?;
        self.queue.send((message, room)).await.map_err(|_| Gone)
    }
}

impl Outgoing {
    /// Sends what comes, until all outboxes are gone. A message must go out within `limit`.
    pub(super) async fn send_all<S>(&mut self, sink: &mut S, limit: Duration) -> Result<(), SendError>
    where
        S: Sink<Message, Error = tokio_tungstenite::tungstenite::Error> + Unpin,
    {
        while let Some((message, room)) = self.0.recv().await {
            tokio::time::timeout(limit, sink.send(message)).await.map_err(|_| SendError::Stuck(limit))??;
            drop(room);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn who_sends_waits_until_the_client_has_read() {
        let (outbox, mut outgoing) = outbox();
        let half = "x".repeat(BYTES as usize / 2);
        outbox.send(half.clone()).await.unwrap();
        outbox.send(half.clone()).await.unwrap();
        assert!(outbox.send("y").now_or_never().is_none(), "no room");
        drop(outgoing.0.recv().await);
        outbox.send("y").now_or_never().unwrap().unwrap();
        drop(outgoing);
        assert_eq!(outbox.send("z").await, Err(Gone));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up() {
        let (outbox, mut outgoing) = outbox();
        outbox.send("x").await.unwrap();
        let mut stuck = Box::pin(futures::sink::unfold((), |(), _: Message| futures::future::pending()));
        let error = outgoing.send_all(&mut stuck, Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(error, SendError::Stuck(_)), "{error}");
    }
}
