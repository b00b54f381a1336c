//! The little of ZeroMQ's wire protocol (ZMTP 3.0, no security) that a client of a kernel needs: it connects, says what
//! kind of socket it is, and exchanges messages of several frames.
//!
//! Not a general library, because those take a frame of any length that the other side announces, and what is in a
//! kernel is anybody's code. Here no message takes more than [`MAX_MESSAGE`] bytes: what is beyond is read and left out.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_util::codec::{Decoder, Encoder, Framed};

/// Bytes kept of one message.
pub(super) const MAX_MESSAGE: usize = 64 << 20;
/// Frames kept of one message.
const MAX_FRAMES: usize = 32;
/// Longest command; the only one that comes is the handshake's.
const MAX_COMMAND: usize = 4096;
/// Reads grow with what really comes, in steps of this.
const READ_STEP: usize = 64 * 1024;
/// Messages from this length on leave no memory behind.
const LARGE: usize = 1 << 20;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Which kind of socket this end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sends requests and receives replies.
    Dealer,
    /// Receives all that is published.
    Subscriber,
}

/// A message: its frames, and what they lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// In order.
    pub(super) frames: Vec<Bytes>,
    /// Bytes that were left out because the message was too long. The frames before them are whole.
    pub(super) left_out: u64,
}

/// A connection to one socket of a kernel.
#[derive(Debug)]
pub(super) struct Socket(Framed<TcpStream, Codec>);

impl Socket {
    /// Connects and shakes hands.
    pub(super) async fn connect(address: impl ToSocketAddrs, kind: Kind) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&greeting()).await?;
        let mut theirs = [0; 64];
        stream.read_exact(&mut theirs).await?;
        if theirs[0] != 0xff || theirs[9] != 0x7f || theirs[10] < 3 {
            return Err(invalid("the other side does not speak ZMTP 3"));
        }
        stream.write_all(&ready(kind)).await?;
        let mut framed = Framed::new(stream, Codec::default());
        if kind == Kind::Subscriber {
            // A first byte of 1 subscribes; no topic after it means everything.
            framed.send(vec![Bytes::from_static(b"\x01")]).await?;
        }
        Ok(Self(framed))
    }

    /// The next message. May be dropped and called again.
    pub(super) async fn receive(&mut self) -> io::Result<Message> {
        self.0.next().await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Takes a message to be sent by [`Self::flush`]. The one before must have been flushed.
    pub(super) async fn feed(&mut self, frames: Vec<Bytes>) -> io::Result<()> {
        self.0.feed(frames).await
    }

    /// Sends what was taken. May be dropped and called again.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn ready(kind: Kind) -> BytesMut {
    let kind: &[u8] = match kind {
        Kind::Dealer => b"DEALER",
        Kind::Subscriber => b"SUB",
    };
    let mut body = BytesMut::new();
    body.put_slice(b"\x05READY");
    for (name, value) in [(&b"Socket-Type"[..], kind), (b"Identity", b"")] {
        // Both are a few bytes long.
        body.put_u8(name.len() as u8);
        body.put_slice(name);
        body.put_u32(value.len() as u32);
        body.put_slice(value);
    }
    let mut frame = BytesMut::new();
    frame.put_u8(COMMAND);
    frame.put_u8(body.len() as u8);
    frame.put_slice(&body);
    frame
}

/// Frames to messages and back.
#[derive(Debug, Default)]
pub(super) struct Codec {
    message: Message,
    kept: usize,
    /// Bytes of the frame under way that are still to be read and left out, and whether more frames follow.
    skipping: Option<(u64, bool)>,
}

impl Codec {
    /// Ends a frame: the message, when it was the last.
    fn ended(&mut self, more: bool) -> Option<Message> {
        if more {
            return None;
        }
        self.kept = 0;
        Some(std::mem::take(&mut self.message))
    }
}

impl Decoder for Codec {
    type Item = Message;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Message>> {
        loop {
            if let Some((left, more)) = self.skipping {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(source.len());
                source.advance(now);
                self.message.left_out += now as u64;
                let left = left - now as u64;
                self.skipping = (left > 0).then_some((left, more));
                if left > 0 {
                    return Ok(None);
                }
                match self.ended(more) {
                    Some(message) => return Ok(Some(message)),
                    None => continue,
                }
            }
            let Some((flags, header, length)) = header(source)? else { return Ok(None) };
            let more = flags & MORE != 0;
            let command = flags & COMMAND != 0;
            if command && length > MAX_COMMAND as u64 {
                return Err(invalid("a command that is too long"));
            }
            // Once something is left out, so is all that follows: what stands after a gap would be misread.
            let full = self.message.left_out > 0 || self.message.frames.len() >= MAX_FRAMES;
            if !command && (full || length > (MAX_MESSAGE - self.kept) as u64) {
                source.advance(header);
                self.skipping = Some((length, more));
                continue;
            }
            let length = length as usize; // at most MAX_MESSAGE
            if source.len() < header + length {
                source.reserve((header + length - source.len()).min(READ_STEP));
                return Ok(None);
            }
            source.advance(header);
            let body = source.split_to(length).freeze();
            if command {
                continue;
            }
            self.kept += body.len();
            self.message.frames.push(body);
            let large = self.kept > LARGE;
            if let Some(message) = self.ended(more) {
                if large {
                    // Else the reader would hold on to the memory of its longest message for good.
                    *source = BytesMut::from(&source[..]);
                }
                return Ok(Some(message));
            }
        }
    }
}

impl Encoder<Vec<Bytes>> for Codec {
    type Error = io::Error;

    fn encode(&mut self, frames: Vec<Bytes>, target: &mut BytesMut) -> io::Result<()> {
        let count = frames.len();
        for (index, frame) in frames.into_iter().enumerate() {
            let more = if index + 1 < count { MORE } else { 0 };
            target.reserve(9 + frame.len());
            match u8::try_from(frame.len()) {
                Ok(length) => {
                    target.put_u8(more);
                    target.put_u8(length);
                }
                Err(_) => {
                    target.put_u8(more | LONG);
                    target.put_u64(frame.len() as u64);
                }
            }
            target.put_slice(&frame);
        }
        Ok(())
    }
}

/// Flags, the header's own length and the body's; `None` when it has not come whole.
fn header(source: &BytesMut) -> io::Result<Option<(u8, usize, u64)>> {
    let Some(&flags) = source.first() else { return Ok(None) };
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(invalid("a frame with unknown flags"));
    }
    if flags & LONG == 0 {
        return Ok(source.get(1).map(|&length| (flags, 2, length.into())));
    }
    let length = source.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    Ok(length.map(|length| (flags, 9, length)))
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: &mut Codec, wire: &[u8], step: usize) -> io::Result<Vec<Message>> {
        let (mut source, mut messages) = (BytesMut::new(), Vec::new());
        for piece in wire.chunks(step) {
            source.extend_from_slice(piece);
            while let Some(message) = codec.decode(&mut source)? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_survive_being_cut_anywhere() {
        let sent = [vec![Bytes::new()], vec![Bytes::from_static(b"a"), Bytes::from(vec![7; 255]), Bytes::from(vec![8; 256])]];
        let mut wire = BytesMut::new();
        for frames in sent.clone() {
            Codec::default().encode(frames, &mut wire).unwrap();
            wire.extend_from_slice(b"\x04\x06\x05READY"); // commands between messages are skipped
        }
        for step in [1, 2, 13, 100_000] {
            let got: Vec<_> = decode(&mut Codec::default(), &wire, step).unwrap().into_iter().map(|m| (m.frames, m.left_out)).collect();
            assert_eq!(got, sent.clone().map(|frames| (frames, 0)), "{step}");
        }
    }

    #[test]
    fn what_is_too_long_is_left_out_and_the_next_message_is_whole() {
        let long = MAX_MESSAGE as u64 + 1;
        let mut codec = Codec::default();
        let mut source = BytesMut::from(&b"\x01\x01h\x03"[..]);
        source.put_u64(long);
        assert_eq!(codec.decode(&mut source).unwrap(), None);
        let chunk = vec![0; 1 << 20];
        for _ in 0..64 {
            source.extend_from_slice(&chunk);
            assert_eq!(codec.decode(&mut source).unwrap(), None);
            assert!(source.is_empty(), "nothing of it is kept");
        }
        source.extend_from_slice(b"x\x00\x01t\x00\x02ok");
        let cut = Message { frames: vec![Bytes::from_static(b"h")], left_out: long + 1 };
        assert_eq!(codec.decode(&mut source).unwrap(), Some(cut));
        assert_eq!(codec.decode(&mut source).unwrap(), Some(Message { frames: vec![Bytes::from_static(b"ok")], left_out: 0 }));
    }

    #[test]
    fn a_large_message_leaves_no_memory_behind() {
        let mut source = BytesMut::new();
        let mut codec = Codec::default();
        Codec::default().encode(vec![Bytes::from(vec![1; 20 << 20])], &mut source).unwrap();
        source.extend_from_slice(b"\x00\x02ok");
        assert_eq!(codec.decode(&mut source).unwrap().unwrap().frames[0].len(), 20 << 20);
        assert!(source.capacity() < LARGE, "{}", source.capacity());
        assert_eq!(codec.decode(&mut source).unwrap().unwrap().frames[0], "ok");
    }

    #[test]
    fn a_thousand_frames_are_one_short_message() {
        let mut wire = [1, 1, b'x'].repeat(1000);
        wire.extend([0, 1, b'x']);
        let messages = decode(&mut Codec::default(), &wire, 10).unwrap();
        assert_eq!((messages.len(), messages[0].frames.len(), messages[0].left_out), (1, MAX_FRAMES, 1001 - MAX_FRAMES as u64));
    }

    #[test]
    fn impossible_frames_end_the_connection_and_announced_lengths_take_no_memory() {
        for wire in [&b"\x08\x00"[..], b"\xff\x00", b"\x06\0\0\0\0\0\0\xff\xff"] {
            assert!(decode(&mut Codec::default(), wire, 100).is_err(), "{wire:x?}");
        }
        let mut source = BytesMut::from(&b"\x02\0\0\0\0\x03\0\0\0"[..]);
        assert_eq!(Codec::default().decode(&mut source).unwrap(), None);
        assert!(source.capacity() < 1 << 20, "{}", source.capacity());
        let mut source = BytesMut::from(&b"\x02\xff\xff\xff\xff\xff\xff\xff\xff"[..]);
        assert_eq!(Codec::default().decode(&mut source).unwrap(), None);
    }
}
