//! One sandbox: its four sockets, and everything that came through them.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{SockType, getsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use types::SandboxId;

use crate::budget::Permit;
use crate::traffic::Traffic;
use crate::{Shared, dns, relay};

/// Descriptors of one sandbox that has no connections.
pub(crate) const DESCRIPTORS: u32 = 4;

/// How long nothing is accepted after accepting failed, which is when the machine has run out of something. (Without a
/// pause the pending connection would make it fail again at once, for ever.)
const PAUSE: Duration = Duration::from_millis(50);

/// A sandbox's sockets.
#[derive(Debug)]
pub(crate) struct Listeners {
    tcp: [TcpListener; 2],
    dns: [Arc<UdpSocket>; 2],
}

impl Listeners {
    /// Takes the descriptors in the order of [`jailer::wire::EgressOrder::Add`].
    pub(crate) fn adopt(descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let count = descriptors.len();
        let [tcp_v4, tcp_v6, dns_v4, dns_v6] = <[OwnedFd; 4]>::try_from(descriptors)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("four descriptors belong to a sandbox, {count} came")))?;
        Ok(Self { tcp: [tcp(tcp_v4)?, tcp(tcp_v6)?], dns: [udp(dns_v4)?.into(), udp(dns_v6)?.into()] })
    }
}

/// Serves a sandbox until the future is dropped, which cuts all its connections.
pub(crate) async fn serve(id: SandboxId, listeners: Listeners, shared: Arc<Shared>, traffic: Arc<Traffic>, _descriptors: Permit) {
    let mut sandbox = Sandbox {
        connections: Arc::new(Semaphore::new(shared.config.connections as usize)),
        queries: Arc::new(Semaphore::new(shared.config.queries as usize)),
        work: JoinSet::new(),
        id,
        shared,
        traffic,
    };
    let Listeners { tcp: [tcp_v4, tcp_v6], dns: [dns_v4, dns_v6] } = listeners;
    loop {
        tokio::select! {
            accepted = tcp_v4.accept() => sandbox.accepted(accepted).await,
            accepted = tcp_v6.accept() => sandbox.accepted(accepted).await,
            ready = dns_v4.readable() => sandbox.query(ready, &dns_v4),
            ready = dns_v6.readable() => sandbox.query(ready, &dns_v6),
            Some(_) = sandbox.work.join_next() => {}
        }
    }
}

struct Sandbox {
    id: SandboxId,
    shared: Arc<Shared>,
    traffic: Arc<Traffic>,
    connections: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    /// Connections and queries under way.
    work: JoinSet<()>,
}

impl Sandbox {
    async fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let client = match accepted {
            Ok((client, _)) => client,
            // The client has gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return,
            Err(error) => {
                tracing::warn!(sandbox = %self.id, %error, "accepting");
                return tokio::time::sleep(PAUSE).await;
            }
        };
        let slot = Arc::clone(&self.connections).try_acquire_owned().ok();
        // One for each side.
        let descriptors = self.shared.budget.take(2);
        let (Some(slot), Some(descriptors)) = (slot, descriptors) else {
            tracing::debug!(sandbox = %self.id, "too many connections");
            // Closing is a reset then. If it fails, it is a plain end, which the client survives as well.
            let _ = client.set_zero_linger();
            return;
        };
        let (id, shared, traffic) = (self.id.clone(), Arc::clone(&self.shared), Arc::clone(&self.traffic));
        self.work.spawn(async move {
            relay::serve(client, &id, &shared, traffic).await;
            drop((slot, descriptors));
        });
    }

    fn query(&mut self, ready: io::Result<()>, socket: &Arc<UdpSocket>) {
        let mut buffer = [0u8; dns::MAX_UDP_QUERY];
        let received = ready.and_then(|()| socket.try_recv_from(&mut buffer));
        // An error here is about one datagram (an answer of ours that found nobody) or no more than a false alarm.
        let Ok((length, client)) = received else { return };
        let slot = Arc::clone(&self.queries).try_acquire_owned().ok();
        let descriptor = self.shared.budget.take(1);
        let (Some(slot), Some(descriptor)) = (slot, descriptor) else {
            // As a busy nameserver does: the client asks again.
            return tracing::debug!(sandbox = %self.id, "too many DNS queries");
        };
        let (query, socket, shared) = (buffer[..length].to_vec(), Arc::clone(socket), Arc::clone(&self.shared));
        self.work.spawn(async move {
            if let Some(answer) = shared.resolver.answer(&query, dns::Transport::Udp).await {
                // A client that is gone needs no answer.
                let _ = socket.send_to(&answer, client).await;
            }
            drop((slot, descriptor));
        });
    }
}

fn tcp(fd: OwnedFd) -> io::Result<TcpListener> {
    must_be(&fd, SockType::Stream)?;
    let listener = StdTcpListener::from(fd);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn udp(fd: OwnedFd) -> io::Result<UdpSocket> {
    must_be(&fd, SockType::Datagram)?;
    let socket = StdUdpSocket::from(fd);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn must_be(fd: &OwnedFd, kind: SockType) -> io::Result<()> {
    match getsockopt(fd, sockopt::SockType)? == kind {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptors are not in the agreed order")),
    }
}
