//! Descriptors over Unix sockets: one message, and beside it the descriptors that belong to it.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::wire::MAX_MESSAGE;

/// Most descriptors beside one message.
const MAX_DESCRIPTORS: usize = 8;

/// Sends one message with `descriptors` beside it.
///
/// # Errors
/// The other end is gone, or the socket would block.
pub fn send(fd: BorrowedFd<'_>, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message into `message` and returns its length, 0 at the end, and the descriptors beside it.
///
/// # Errors
/// The socket would block, or the message is longer than [`MAX_MESSAGE`].
pub fn recv(fd: BorrowedFd<'_>, message: &mut Vec<u8>) -> io::Result<(usize, Vec<OwnedFd>)> {
    message.resize(MAX_MESSAGE, 0);
    let mut control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(message)];
    let received = recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for part in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            // SAFETY: the kernel has just installed these descriptors for this message; nobody else owns them.
            descriptors.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let (length, truncated) = (received.bytes, received.flags.contains(MsgFlags::MSG_TRUNC));
    message.truncate(length);
    if truncated {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than the limit"));
    }
    Ok((length, descriptors))
}
