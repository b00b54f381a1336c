//! What waits to be sent to a client: bounded in messages and in bytes. Who has something to send waits for room.

use crate::web_socket::{self, Outgoing};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Messages that wait at once.
const MESSAGES: usize = 64;
/// Their bytes. A longer message waits alone.
const BYTES: u32 = 1 << 20;

/// The way to a client.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::Sender<(String, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// Nobody sends any more: the connection is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// What is to be sent from an [`Outbox`].
#[derive(Debug)]
pub(super) struct Queue(mpsc::Receiver<(String, OwnedSemaphorePermit)>);

/// Why no more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendError {
    /// The client did not take a message in time.
    Stuck,
    /// The connection broke.
    Gone,
}

/// An empty outbox.
pub(super) fn outbox() -> (Outbox, Queue) {
    let (queue, waiting) = mpsc::channel(MESSAGES);
    (Outbox { queue, room: Arc::new(Semaphore::new(BYTES as usize)) }, Queue(waiting))
}

impl Outbox {
    /// Leaves a message to be sent, once there is room.
    pub(super) async fn send(&self, message: String) -> Result<(), Gone> {
        let bytes = u32::try_from(message.len()).unwrap_or(BYTES).clamp(1, BYTES);
        let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| Gone)?;
        self.queue.send((message, room)).await.map_err(|_| Gone)
    }
}

impl Queue {
    /// Sends what comes, and pings, until all outboxes are gone. A message must go out within `limit`.
    pub(super) async fn send_all<S>(&mut self, outgoing: &mut Outgoing<S>, limit: Duration) -> Result<(), SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let next = tokio::select! {
                next = self.0.recv() => next,
                () = outgoing.ping_due() => {
                    in_time(limit, outgoing.ping()).await?;
                    continue;
                }
            };
            let Some((message, room)) = next else { return Ok(()) };
            in_time(limit, outgoing.text(message)).await?;
            drop(room);
        }
    }
}

async fn in_time(limit: Duration, sent: impl Future<Output = Result<(), web_socket::Gone>>) -> Result<(), SendError> {
    match tokio::time::timeout(limit, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(web_socket::Gone)) => Err(SendError::Gone),
        Err(_) => Err(SendError::Stuck),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use futures::FutureExt;

    #[tokio::test]
    async fn who_sends_waits_until_the_client_has_read() {
        let (outbox, mut queue) = outbox();
        let half = "x".repeat(BYTES as usize / 2);
        outbox.send(half.clone()).await.unwrap();
        outbox.send(half.clone()).await.unwrap();
        assert!(outbox.send("y".into()).now_or_never().is_none(), "no room");
        drop(queue.0.recv().await);
        outbox.send("y".into()).now_or_never().unwrap().unwrap();
        drop(queue);
        assert_eq!(outbox.send("z".into()).await, Err(Gone));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up_and_one_that_has_gone_is_noticed() {
        let (deaf, ours) = tokio::io::duplex(16);
        let (_, mut outgoing) = web_socket::halves(web_socket::bounded(ours).await, &*testing::app().await);
        let (outbox, mut queue) = outbox();
        outbox.send("x".repeat(100)).await.unwrap();
        assert_eq!(queue.send_all(&mut outgoing, Duration::from_millis(10)).await, Err(SendError::Stuck));
        drop(deaf);
        outbox.send("x".repeat(100)).await.unwrap();
        assert_eq!(queue.send_all(&mut outgoing, Duration::from_secs(60)).await, Err(SendError::Gone));
    }
}
