//! One connection: where to, whether it may, dial, copy both ways.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use types::SandboxId;

use crate::policy::{self, Refusal};
use crate::traffic::{Counted, Traffic};
use crate::{Shared, dns, origin};

/// Bytes held for each direction of a connection.
const BUFFER: usize = 32 * 1024;

/// Port of DNS.
const DNS: u16 = 53;

/// Seconds without traffic until the other side is asked whether it is still there, then between questions; and how many
/// unanswered ones end the connection.
const KEEPALIVE: (u32, u32, u32) = (120, 30, 4);

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    TimedOut,
}

/// Serves an accepted connection to its end. Whatever does not end in order, this future being dropped included, is a
/// reset to both sides.
pub(crate) async fn serve(mut client: TcpStream, id: &SandboxId, shared: &Shared, traffic: Arc<Traffic>) {
    if client.set_zero_linger().is_err() {
        return;
    }
    let destination = match origin::of(&client) {
        Ok(destination) => destination,
        Err(error) => return tracing::debug!(sandbox = %id, %error, "a connection without a destination"),
    };
    if destination.port() == DNS {
        return match dns::serve_stream(&mut client, &shared.resolver).await {
            Ok(()) => end_in_order(&client),
            Err(error) => tracing::debug!(sandbox = %id, %error, "DNS over TCP"),
        };
    }
    let mut server = match dial(destination, shared).await {
        Ok(server) => server,
        Err(failure) => return tracing::debug!(sandbox = %id, %destination, %failure, "not connected"),
    };
    let copied = copy_bidirectional_with_sizes(&mut Counted::new(&mut client, traffic), &mut server, BUFFER, BUFFER).await;
    match copied {
        Ok(_) => {
            end_in_order(&client);
            end_in_order(&server);
        }
        Err(error) => tracing::trace!(sandbox = %id, %destination, %error, "cut"),
    }
}

async fn dial(destination: SocketAddr, shared: &Shared) -> Result<TcpStream, Failure> {
    policy::check(destination.ip(), &shared.config.allow)?;
    policy::check_route(destination.ip(), jailer::net::lookup)?;
    let socket = if destination.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let server = timeout(shared.config.dial_timeout, socket.connect(destination)).await.map_err(|_| Failure::TimedOut)??;
    server.set_zero_linger()?;
    server.set_nodelay(true)?;
    keep_alive(&server)?;
    Ok(server)
}

/// Notices a server that is gone without a word, which else would hold its connection for ever.
fn keep_alive(server: &TcpStream) -> io::Result<()> {
    let (idle, interval, count) = KEEPALIVE;
    setsockopt(server, sockopt::TcpKeepIdle, &idle)?;
    setsockopt(server, sockopt::TcpKeepInterval, &interval)?;
    setsockopt(server, sockopt::TcpKeepCount, &count)?;
    setsockopt(server, sockopt::KeepAlive, &true)?;
    Ok(())
}

/// Both directions have ended and been flushed: closing may be a plain close.
fn end_in_order(stream: &TcpStream) {
    // If it fails, the connection ends with a reset, as if this had not been called.
    let _ = setsockopt(stream, sockopt::Linger, &libc::linger { l_onoff: 0, l_linger: 0 });
}
