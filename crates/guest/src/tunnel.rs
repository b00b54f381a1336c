//! Byte streams to what listens inside the sandbox.

use protocol::StreamRefusal;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// A listener on the loopback answers in microseconds, unless its queue is full.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Connects to `port` on the loopback, IPv4 first.
pub(crate) async fn connect(port: u16) -> Result<TcpStream, (StreamRefusal, String)> {
    let mut last = io::Error::from(io::ErrorKind::ConnectionRefused);
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))] {
        match tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Both ends are local programs: waiting to fill packets only adds delay.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            // A sandbox without IPv6 must not hide that IPv4 refused.
            Ok(Err(error)) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    match last.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable => {
            Err((StreamRefusal::NothingListens, format!("nothing listens on port {port} inside the sandbox")))
        }
        _ => Err((StreamRefusal::Internal, format!("connecting to port {port} inside the sandbox failed: {last}"))),
    }
}

/// Copies both ways until both sides have ended; one side's end is passed on while the other goes on.
pub(crate) async fn run(mut host: UnixStream, mut inside: TcpStream) {
    // A broken connection ends the tunnel; both sides see it as such.
    let _ = tokio::io::copy_bidirectional(&mut host, &mut inside).await;
}
