//! Whether the host is still there, seen without reading what it sent.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// Notices that the host closed its side, also while the bytes it sent before are left unread because the program inside
/// does not take them.
#[derive(Debug)]
pub(crate) struct Hangup(AsyncFd<OwnedFd>);

impl Hangup {
    /// Watches `stream`.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        // A descriptor of its own, as readiness is kept, and cleared, per descriptor.
        let own = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(wakes(own, Interest::READABLE)?))
    }

    /// Waits for it.
    pub(crate) async fn seen(&self) {
        while let Ok(mut guard) = self.0.ready(Interest::READABLE).await {
            if guard.ready().is_read_closed() {
                return;
            }
            // Bytes have come, which others read. That the other side closed is never cleared.
            guard.clear_ready();
        }
    }
}

/// `fd`, which must be non-blocking, with its readiness told by the runtime.
pub(crate) fn wakes(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(deprecated, reason = "its successor is unsafe, for types whose descriptor may change; that of an OwnedFd cannot")]
    AsyncFd::with_interest(fd, interest)
}
