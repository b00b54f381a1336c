//! One question to one nameserver.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};

use super::message;

/// Longest answer read over UDP, bytes; what is longer goes back as cut.
const MAX_UDP_ANSWER: usize = 4096;

/// Asks in a datagram from a fresh port and waits for the answer; what does not answer the question is passed over.
pub(super) async fn over_udp(server: SocketAddr, asked: &[u8]) -> io::Result<Vec<u8>> {
    let any = if server.is_ipv4() { SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) } else { SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)) };
    let socket = UdpSocket::bind(any).await?;
    // Only the server's datagrams get in, and its port being closed becomes an error at once.
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut buffer = vec![0; MAX_UDP_ANSWER + 1];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if !message::answers(asked, &buffer[..length]) {
            continue;
        }
        if length > MAX_UDP_ANSWER {
            return message::cut(asked).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        buffer.truncate(length);
        return Ok(buffer);
    }
}

/// Asks over a connection of its own.
pub(super) async fn over_tcp(server: SocketAddr, asked: &[u8]) -> io::Result<Vec<u8>> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let mut stream = socket.connect(server).await?;
    stream.write_all(&framed(asked)?).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    match message::answers(asked, &answer) {
        true => Ok(answer),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question")),
    }
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok([&length.to_be_bytes(), message].concat())
}
