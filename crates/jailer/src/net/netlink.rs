//! As much netlink as is needed here: messages built into one buffer, sent at once, answers read until the kernel has no
//! more of them. The kernel works on a request inside `send`, so answers are there when it returns and nothing ever waits.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::NetError;

/// Header of each message: length, type, flags, sequence number, port.
const HEADER: usize = 16;

/// Several requests in one buffer. Each has a step that errors are named by.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    steps: Vec<&'static str>,
}

impl Batch {
    /// A batch with room for `bytes`.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), steps: Vec::with_capacity(32) }
    }

    /// Appends one request of type `kind`; `body` adds what follows its header.
    pub(super) fn message(&mut self, step: &'static str, kind: u16, flags: i32, body: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        let sequence = self.steps.len() as u32;
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        self.steps.push(step);
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        body(self);
        let length = (self.bytes.len() - at) as u32;
        self.bytes[at..at + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Appends bytes, padded to four.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends an attribute.
    pub(super) fn attr(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.put(value);
    }

    /// Appends an attribute that holds a NUL-terminated string.
    pub(super) fn attr_str(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.attr(kind, &bytes);
    }

    /// Appends an attribute that holds a number in network order, as netfilter has it.
    pub(super) fn attr_be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// Appends an attribute that holds attributes.
    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&0u16.to_ne_bytes());
        self.bytes.extend_from_slice(&(kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
        body(self);
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

/// An open netlink socket.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// Opens one in the calling thread's network namespace.
    pub(super) fn open(protocol: SockProtocol) -> Result<Self, Errno> {
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).map(Self)
    }

    /// Sends `batch` and succeeds if the kernel did all of it. One message, the last that can fail, must ask for an
    /// acknowledgement (`NLM_F_ACK`); of the others only errors are heard.
    pub(super) fn run(&self, batch: &Batch, remedy: &'static str) -> Result<(), NetError> {
        let fail = |step, errno| NetError::Netlink { step, errno, remedy };
        self.send(batch).map_err(|errno| fail("sending the request", errno))?;
        let mut buffer = [0u8; 8192];
        loop {
            let read = self.receive(&mut buffer).map_err(|errno| fail("reading the answer", errno))?;
            for answer in Answers(&buffer[..read]) {
                let step = batch.steps.get(answer.sequence as usize).copied().unwrap_or("an unknown step");
                match answer.error {
                    None => {}
                    Some(0) => return Ok(()),
                    Some(number) => return Err(fail(step, Errno::from_raw(number))),
                }
            }
        }
    }

    /// Sends a batch of one question and hands the kernel's answer, its type's own header and attributes, to `read`.
    pub(super) fn ask<T>(&self, batch: &Batch, read: impl FnOnce(&[u8]) -> Result<T, Errno>) -> Result<T, Errno> {
        self.send(batch)?;
        let mut buffer = [0u8; 4096];
        let length = self.receive(&mut buffer)?;
        let answer = Answers(&buffer[..length]).next().ok_or(Errno::EPROTO)?;
        match answer.error {
            Some(number) => Err(Errno::from_raw(number)),
            None => read(answer.body),
        }
    }

    fn send(&self, batch: &Batch) -> Result<(), Errno> {
        send(self.0.as_raw_fd(), &batch.bytes, MsgFlags::empty()).map(drop)
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)
    }
}

/// One of the kernel's messages.
struct Answer<'a> {
    sequence: u32,
    /// Of an `NLMSG_ERROR`: an error number, or 0 if the request was done. (A number, because [`Errno`] has one value for 0
    /// and for every number it does not know.)
    error: Option<i32>,
    body: &'a [u8],
}

/// The messages in a packet.
struct Answers<'a>(&'a [u8]);

impl<'a> Iterator for Answers<'a> {
    type Item = Answer<'a>;

    fn next(&mut self) -> Option<Answer<'a>> {
        let length = word(self.0, 0)? as usize;
        let kind = u16::from_ne_bytes(self.0.get(4..6)?.try_into().ok()?);
        let sequence = word(self.0, 8)?;
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        let error = match i32::from(kind) == libc::NLMSG_ERROR {
            true => Some((word(body, 0)? as i32).wrapping_neg()),
            false => None,
        };
        Some(Answer { sequence, error, body })
    }
}

/// The attributes in `bytes`, kind and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes(bytes.get(0..2)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// The number at `offset`, host order.
pub(super) fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_at_the_first_that_does_not_fit() {
        let mut batch = Batch::default();
        batch.attr(4, &7u32.to_ne_bytes());
        batch.attr_str(1, "lo");
        batch.attr(9, &[1, 2, 3, 4]);
        let cut = &batch.bytes[..batch.bytes.len() - 1];
        let read: Vec<_> = attributes(cut).collect();
        assert_eq!(read, [(4, &7u32.to_ne_bytes()[..]), (1, b"lo\0")]);
    }

    #[test]
    fn answers_end_at_the_first_that_does_not_fit() {
        let mut batch = Batch::default();
        batch.message("one", libc::NLMSG_ERROR as u16, 0, |m| m.put(&(-libc::EPERM).to_ne_bytes()));
        batch.message("two", 24, 0, |m| m.put(&[1, 2, 3, 4]));
        batch.message("three", 24, 0, |m| m.put(&[0; 8]));
        let cut = &batch.bytes[..batch.bytes.len() - 1];
        let read: Vec<_> = Answers(cut).map(|a| (a.sequence, a.error)).collect();
        assert_eq!(read, [(0, Some(libc::EPERM)), (1, None)]);
    }
}
