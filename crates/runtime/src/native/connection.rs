//! One connection to the starter: a request out, its reply in.

use jailer::fdpass;
use jailer::wire::{MAX_MESSAGE, Reply, Request};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// A `SOCK_SEQPACKET` connection. The stream type is only its owner and its place in the event loop: nothing is read or
/// written as a stream.
#[derive(Debug)]
pub(super) struct Connection {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// With the remedy, for the usual reasons.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        // Only as far as the host lets us: requests are short.
        let _ = setsockopt(&socket, sockopt::SndBuf, &MAX_MESSAGE);
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?).map_err(|errno| with_remedy(errno.into()))?;
        Ok(Self { socket: UnixStream::from_std(socket.into())?, buffer: Vec::new() })
    }

    /// Sends `request` and waits for its reply. After an error, or when dropped half-way, the connection is of no
    /// further use.
    pub(super) async fn ask(&mut self, request: &Request) -> io::Result<(Reply, Option<OwnedFd>)> {
        let message = serde_json::to_vec(request)?;
        self.socket.async_io(Interest::WRITABLE, || fdpass::send(self.socket.as_fd(), &message, &[])).await?;
        let buffer = &mut self.buffer;
        let (length, mut fds) = self.socket.async_io(Interest::READABLE, || fdpass::recv(self.socket.as_fd(), buffer)).await?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
        }
        Ok((serde_json::from_slice(buffer)?, fds.pop()))
    }
}

fn with_remedy(error: io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "no starter runs there; start it as root with `roadstead-starter`, or use `make run`"
        }
        io::ErrorKind::PermissionDenied => "it serves another user; start the server as the user named by the starter's --server-uid",
        io::ErrorKind::WouldBlock => "it accepts no connections; see its log",
        _ => return error,
    };
    io::Error::new(error.kind(), remedy)
}
