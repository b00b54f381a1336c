//! How much goes through a sandbox's way out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use jailer::wire;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The counters of one sandbox, shared by its connections.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    /// As they stand now.
    pub(crate) fn now(&self) -> wire::Traffic {
        wire::Traffic { received_bytes: self.received.load(Relaxed), sent_bytes: self.sent.load(Relaxed) }
    }
}

/// The sandbox's side of a connection: what is read from it is sent by the sandbox, what is written to it is received.
#[derive(Debug)]
pub(crate) struct Counted<'a, S> {
    inner: &'a mut S,
    traffic: Arc<Traffic>,
}

impl<'a, S> Counted<'a, S> {
    pub(crate) fn new(inner: &'a mut S, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.inner).poll_read(cx, buffer))?;
        self.traffic.sent.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut *self.inner).poll_write(cx, bytes))?;
        self.traffic.received.fetch_add(count as u64, Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn each_direction_is_counted_apart_as_it_goes() {
        let (mut program, mut side) = tokio::io::duplex(64);
        let traffic = Arc::new(Traffic::default());
        let mut side = Counted::new(&mut side, traffic.clone());
        program.write_all(b"request").await.unwrap();
        let mut seen = [0; 4];
        side.read_exact(&mut seen).await.unwrap();
        assert_eq!(traffic.now(), wire::Traffic { received_bytes: 0, sent_bytes: 4 }, "only what was read");
        side.write_all(b"answer of 16 bts").await.unwrap();
        assert_eq!(traffic.now(), wire::Traffic { received_bytes: 16, sent_bytes: 4 });
    }
}
