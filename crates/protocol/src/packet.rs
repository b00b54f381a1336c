//! Packets: what streams of mixed content are made of once their head is over.
//!
//! One byte of channel, a big-endian `u32` length, then that many bytes. A message packet is JSON in the stream's own
//! vocabulary ([`crate::streams`]); the others are plain bytes. Either side ends a stream by its last message, then closes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use tokio_util::codec::{Decoder, Encoder};

/// Longest payload, bytes. Longer ones are refused from their header alone; a sender cuts its data into several.
pub const MAX_PACKET: usize = 1 << 20;
const HEADER: usize = 5;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A JSON message in the stream's vocabulary.
    Message(Bytes),
    /// Bytes: standard input or output, a terminal's, a file's.
    Data(Bytes),
    /// Bytes of standard error.
    Stderr(Bytes),
}

impl Packet {
    /// The packet that carries `message`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it is longer than [`MAX_PACKET`] as JSON.
    pub fn message(message: &impl Serialize) -> io::Result<Self> {
        let body = serde_json::to_vec(message)?;
        if body.len() > MAX_PACKET {
            return Err(invalid(format!("a message of {} bytes; at most {MAX_PACKET} fit into a packet", body.len())));
        }
        Ok(Self::Message(body.into()))
    }

    /// The message in a message packet.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when it is none, or not the JSON that was expected.
    pub fn parse<T: DeserializeOwned>(&self) -> io::Result<T> {
        match self {
            Self::Message(body) => serde_json::from_slice(body).map_err(|error| invalid(format!("a message that cannot be used: {error}"))),
            Self::Data(_) | Self::Stderr(_) => Err(invalid("bytes where a message was expected")),
        }
    }

    fn parts(&self) -> (u8, &Bytes) {
        match self {
            Self::Message(body) => (0, body),
            Self::Data(body) => (1, body),
            Self::Stderr(body) => (2, body),
        }
    }
}

/// Reads and writes packets, as [`tokio_util::codec::Framed`] wants it.
#[derive(Debug, Clone, Copy, Default)]
pub struct PacketCodec;

impl Decoder for PacketCodec {
    type Item = Packet;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Packet>> {
        if source.len() < HEADER {
            return Ok(None);
        }
        let length = u32::from_be_bytes([source[1], source[2], source[3], source[4]]) as usize;
        if length > MAX_PACKET {
            return Err(invalid(format!("a packet of {length} bytes; at most {MAX_PACKET} are allowed")));
        }
        let make = match source[0] {
            0 => Packet::Message,
            1 => Packet::Data,
            2 => Packet::Stderr,
            other => return Err(invalid(format!("a packet on channel {other}; there are 0, 1 and 2"))),
        };
        if source.len() < HEADER + length {
            source.reserve(HEADER + length - source.len());
            return Ok(None);
        }
        source.advance(HEADER);
        Ok(Some(make(source.split_to(length).freeze())))
    }
}

impl Encoder<Packet> for PacketCodec {
    type Error = io::Error;

    fn encode(&mut self, packet: Packet, target: &mut BytesMut) -> io::Result<()> {
        let (channel, body) = packet.parts();
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_PACKET);
        let length = length.ok_or_else(|| invalid(format!("a packet of {} bytes; at most {MAX_PACKET} are allowed", body.len())))?;
        target.reserve(HEADER + body.len());
        target.put_u8(channel);
        target.put_u32(length);
        target.put_slice(body);
        Ok(())
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_survive_being_cut_anywhere() {
        let sent = [Packet::Data(Bytes::from_static(b"a\0b")), Packet::Stderr(Bytes::new()), Packet::message(&"end").unwrap()];
        let mut wire = BytesMut::new();
        for packet in sent.clone() {
            PacketCodec.encode(packet, &mut wire).unwrap();
        }
        let (mut source, mut got) = (BytesMut::new(), Vec::new());
        for byte in wire {
            source.put_u8(byte);
            got.extend(PacketCodec.decode(&mut source).unwrap());
        }
        assert_eq!(got, sent);
        assert_eq!(got[2].parse::<String>().unwrap(), "end");
        assert!(got[0].parse::<String>().is_err());
    }

    #[test]
    fn impossible_headers_are_refused_before_their_bytes_come() {
        for header in [[0, 0xff, 0xff, 0xff, 0xff], [3, 0, 0, 0, 1], [1, 0, 0x10, 0, 1]] {
            assert!(PacketCodec.decode(&mut BytesMut::from(&header[..])).is_err(), "{header:?}");
        }
        let long = Packet::Data(Bytes::from(vec![0; MAX_PACKET + 1]));
        assert!(PacketCodec.encode(long, &mut BytesMut::new()).is_err());
    }
}
