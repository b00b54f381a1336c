//! One message and its descriptors over a Unix `SOCK_SEQPACKET` socket.
//!
//! Works on blocking and non-blocking sockets alike: on the latter `WouldBlock` comes back as the error it is.

use crate::wire::MAX_MESSAGE;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Most descriptors beside one message.
pub const MAX_FDS: usize = 8;

/// Control-message room for [`MAX_FDS`] descriptors, as 8-byte words so that it is aligned for a `cmsghdr`.
type ControlBuffer = [u64; 8];
const _: () = assert!(size_of::<ControlBuffer>() >= size_of::<libc::cmsghdr>() + MAX_FDS * size_of::<RawFd>());

/// Sends one non-empty message with copies of `fds` beside it.
///
/// # Errors
/// `InvalidInput` for an empty message, one over [`MAX_MESSAGE`] or more than [`MAX_FDS`] descriptors; else what the
/// kernel says. A peer that is gone is an error (`BrokenPipe`), never a signal.
pub fn send(fd: BorrowedFd<'_>, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if message.is_empty() || message.len() > MAX_MESSAGE || fds.len() > MAX_FDS {
        let text = format!("a message has 1 to {MAX_MESSAGE} bytes and at most {MAX_FDS} descriptors");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut part = libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    let mut control: ControlBuffer = Default::default();
    // SAFETY: `msghdr` is plain data for which all zeroes are valid (no name, no parts, no control).
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !fds.is_empty() {
        let payload = (fds.len() * size_of::<RawFd>()) as u32;
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute; CMSG_FIRSTHDR points into `control`, which is aligned for a
        // header and, by the assertion above, has room for it and MAX_FDS descriptors.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(payload) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(payload) as _;
            let slots = libc::CMSG_DATA(first).cast::<RawFd>();
            for (index, fd) in fds.iter().enumerate() {
                slots.add(index).write_unaligned(fd.as_raw_fd());
            }
        }
    }
    loop {
        // SAFETY: `header` points to `part` and `control`, both alive; the kernel only reads the message.
        let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Receives one message into `buffer` (replacing what was there) and the descriptors beside it, close-on-exec.
/// Zero bytes: the peer is gone.
///
/// # Errors
/// `InvalidData` for a message or a descriptor list that was cut; nothing of it is kept. Else what the kernel says.
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<(usize, Vec<OwnedFd>)> {
    buffer.clear();
    buffer.reserve(MAX_MESSAGE);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: MAX_MESSAGE };
    let mut control: ControlBuffer = Default::default();
    // SAFETY: as in `send`.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<ControlBuffer>() as _;
    let length = loop {
        // SAFETY: `part` describes MAX_MESSAGE reserved bytes of `buffer`; `control` is as long as stated.
        let got = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        if got >= 0 {
            break got as usize;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    let fds = take_fds(&header);
    if header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message or descriptor list longer than agreed"));
    }
    // SAFETY: the kernel filled the first `length` ≤ MAX_MESSAGE bytes, and so many are reserved.
    unsafe { buffer.set_len(length) };
    Ok((length, fds))
}

/// Owns every descriptor the kernel put into the control buffer, so that none leaks whatever is decided about it.
fn take_fds(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: `header` was filled by recvmsg; the CMSG macros stay inside the control length it wrote.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: the macros returned a header inside the buffer, which is aligned for it.
        let (level, kind, length) = unsafe { ((*next).cmsg_level, (*next).cmsg_type, (*next).cmsg_len as usize) };
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: CMSG_LEN only computes.
            let count = length.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize) / size_of::<RawFd>();
            for index in 0..count {
                // SAFETY: the kernel wrote `count` fresh descriptors there; nobody else owns them.
                fds.push(unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(next).cast::<RawFd>().add(index).read_unaligned()) });
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
    fds
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn pair(flags: SockFlag) -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC | flags).unwrap()
    }

    #[test]
    fn a_message_and_its_descriptors_arrive_together() {
        let (a, b) = pair(SockFlag::empty());
        let (mut near, far) = UnixStream::pair().unwrap();
        send(a.as_fd(), b"hello", &[far.as_fd(), far.as_fd()]).unwrap();
        let mut buffer = b"old".to_vec();
        let (length, mut fds) = recv(b.as_fd(), &mut buffer).unwrap();
        assert_eq!((length, buffer.as_slice(), fds.len()), (5, b"hello".as_slice(), 2));
        for fd in &fds {
            let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
        UnixStream::from(fds.remove(0)).write_all(b"x").unwrap();
        let mut byte = [0];
        near.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn messages_keep_their_bounds_and_the_end_is_zero_bytes() {
        let (a, b) = pair(SockFlag::empty());
        send(a.as_fd(), b"one", &[]).unwrap();
        send(a.as_fd(), b"three", &[]).unwrap();
        drop(a);
        let mut buffer = Vec::new();
        for expected in [3, 5, 0] {
            assert_eq!(recv(b.as_fd(), &mut buffer).unwrap().0, expected);
            assert_eq!(buffer.len(), expected);
        }
    }

    #[test]
    fn an_empty_non_blocking_socket_would_block() {
        let (_a, b) = pair(SockFlag::SOCK_NONBLOCK);
        assert_eq!(recv(b.as_fd(), &mut Vec::new()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_cannot_be_sent_whole_is_refused() {
        let (a, _b) = pair(SockFlag::empty());
        for (length, fds) in [(0, 0), (MAX_MESSAGE + 1, 0), (1, MAX_FDS + 1)] {
            let error = send(a.as_fd(), &vec![b'x'; length], &vec![a.as_fd(); fds]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{length} bytes, {fds} descriptors");
        }
    }

    #[test]
    fn a_cut_descriptor_list_is_an_error_and_closes_what_came() {
        use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
        let (a, b) = pair(SockFlag::empty());
        let (near, far) = UnixStream::pair().unwrap();
        let many = [far.as_raw_fd(); 4 * MAX_FDS];
        let part = [std::io::IoSlice::new(b"x")];
        sendmsg::<()>(a.as_raw_fd(), &part, &[ControlMessage::ScmRights(&many)], MsgFlags::empty(), None).unwrap();
        drop(far);
        assert_eq!(recv(b.as_fd(), &mut Vec::new()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop((a, b));
        // Every copy of the far end is closed, so the near end reads the end of the stream.
        near.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!((&near).read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_message_longer_than_agreed_is_an_error() {
        let (a, b) = pair(SockFlag::empty());
        nix::sys::socket::setsockopt(&a, nix::sys::socket::sockopt::SndBufForce, &(4 * MAX_MESSAGE)).unwrap();
        nix::sys::socket::send(a.as_raw_fd(), &vec![0; MAX_MESSAGE + 1], nix::sys::socket::MsgFlags::empty()).unwrap();
        assert_eq!(recv(b.as_fd(), &mut Vec::new()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
