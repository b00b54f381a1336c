//! DNS over TCP: a client's questions one after the other.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::framed;
use super::{Resolver, Transport};

/// How long a client may take for its next question, or to read an answer (RFC 7766 speaks of seconds).
const IDLE: Duration = Duration::from_secs(10);

/// Longest question taken over TCP, bytes.
const MAX_QUERY: u16 = 4096;

/// Serves until the client ends or falls silent. Both are an orderly end.
pub(crate) async fn serve(client: &mut TcpStream, resolver: &Resolver) -> io::Result<()> {
    loop {
        let Ok(question) = timeout(IDLE, read(client)).await else { return Ok(()) };
        let Some(question) = question? else { return Ok(()) };
        let Some(answer) = resolver.answer(&question, Transport::Tcp).await else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no question"));
        };
        timeout(IDLE, client.write_all(&framed(&answer)?)).await??;
    }
}

/// The next question; `None` at the end.
async fn read(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match client.read_u16().await {
        Ok(length) if length <= MAX_QUERY => length,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "a question too long")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut question = vec![0; length.into()];
    client.read_exact(&mut question).await?;
    Ok(Some(question))
}
