//! Byte streams in and out of a sandbox.

use tokio::io::{AsyncRead, AsyncWrite};

/// A two-way byte stream to something inside a sandbox.
pub type ByteStream = Box<dyn Duplex>;

/// Anything that can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Duplex for T {}
