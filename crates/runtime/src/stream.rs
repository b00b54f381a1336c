//! Byte streams in and out of a sandbox.

use crate::RuntimeError;
use protocol::{StreamOpen, StreamReply, frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use types::SandboxId;

/// A two-way byte stream to something inside a sandbox.
pub type ByteStream = Box<dyn Duplex>;

/// Packets in and out of a sandbox: a [`futures::Stream`] and a [`futures::Sink`] of [`protocol::packet::Packet`]s.
pub type PacketStream = tokio_util::codec::Framed<ByteStream, protocol::packet::PacketCodec>;

/// Anything that can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Duplex for T {}

/// Says on a fresh connection to a guest what it is for, and waits for the guest's word.
pub async fn open_on<S: Duplex + 'static>(mut socket: S, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError> {
    let io = |doing| move |source| RuntimeError::Io { id: id.clone(), doing, source };
    let invalid = |error: frame::FrameError| std::io::Error::new(std::io::ErrorKind::InvalidData, error);

    let head = frame::encode(open).map_err(invalid).map_err(io("encoding the stream's head"))?;
    socket.write_all(&head).await.map_err(io("sending the stream's head"))?;

    let mut prefix = [0; frame::PREFIX];
    socket.read_exact(&mut prefix).await.map_err(io("waiting for the guest's answer"))?;
    let length = frame::body_length(prefix).map_err(invalid).map_err(io("reading the guest's answer"))?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.map_err(io("reading the guest's answer"))?;
    match frame::decode(&body).map_err(invalid).map_err(io("reading the guest's answer"))? {
        StreamReply::Ready { .. } => Ok(Box::new(socket)),
        StreamReply::Refused { refusal, message } => Err(RuntimeError::Refused { refusal, message }),
    }
}
