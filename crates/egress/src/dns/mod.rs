//! The sandboxes' nameserver: it forwards, and knows nothing itself.
//!
//! A question goes on as it came, under an identifier and from a port of our own, to one nameserver after the other until
//! one answers. One answer is made up here: on a host without IPv6 no name has IPv6 addresses, because a client that gets
//! one tries it first.

mod exchange;
mod message;
mod servers;
mod stream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::time::timeout;

use crate::Config;
use message::Query;
use servers::Servers;

pub(crate) use stream::serve as serve_stream;

/// Longest question taken over UDP, bytes. Questions hold one name (255) and options; 1,232 is what resolvers agreed on
/// as passing everywhere, and what is longer is cut and so refused as malformed.
pub(crate) const MAX_UDP_QUERY: usize = 1232;

/// Nameservers that are asked for one question.
const MAX_SERVERS: usize = 3;

/// How a question came, and so how it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// One datagram.
    Udp,
    /// A length and a message.
    Tcp,
}

/// Answers questions.
#[derive(Debug)]
pub(crate) struct Resolver {
    servers: Servers,
    timeout: Duration,
    /// Index of the nameserver that answered last: a dead one costs its time-out once, not at every question.
    preferred: AtomicUsize,
}

impl Resolver {
    /// With the nameservers and the time-out of `config`.
    pub(crate) fn new(config: &Config) -> Self {
        let servers = match config.dns.as_slice() {
            [] => Servers::of_file(config.resolv_conf.clone()),
            given => Servers::fixed(given),
        };
        Self { servers, timeout: config.dns_timeout, preferred: AtomicUsize::new(0) }
    }

    /// The answer to what a client sent; `None` for what must not be answered at all. Ends within the time-out times
    /// [`MAX_SERVERS`].
    pub(crate) async fn answer(&self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = match Query::read(bytes) {
            Ok(query) => query,
            Err(bad) => return bad.reply(),
        };
        if query.record_type() == RecordType::AAAA && !jailer::net::host_has_ipv6().unwrap_or(false) {
            return Some(query.reply(ResponseCode::NoError));
        }
        let answer = self.ask(&query, transport).await;
        Some(answer.unwrap_or_else(|| query.reply(ResponseCode::ServFail)))
    }

    async fn ask(&self, query: &Query<'_>, transport: Transport) -> Option<Vec<u8>> {
        let servers = self.servers.current();
        let first = self.preferred.load(Ordering::Relaxed);
        for turn in 0..servers.len().min(MAX_SERVERS) {
            let index = (first + turn) % servers.len();
            if let Some(answer) = self.ask_one(servers[index], query, transport).await {
                self.preferred.store(index, Ordering::Relaxed);
                return Some(answer);
            }
        }
        None
    }

    async fn ask_one(&self, server: SocketAddr, query: &Query<'_>, transport: Transport) -> Option<Vec<u8>> {
        let asked = query.under(rand::random());
        let exchange = async {
            match transport {
                Transport::Udp => exchange::over_udp(server, &asked).await,
                Transport::Tcp => exchange::over_tcp(server, &asked).await,
            }
        };
        match timeout(self.timeout, exchange).await {
            Ok(Ok(mut answer)) => {
                message::set_id(&mut answer, query.id());
                Some(answer)
            }
            Ok(Err(error)) => {
                tracing::debug!(%server, %error, "a nameserver that cannot be asked");
                None
            }
            Err(_) => {
                tracing::debug!(%server, "a nameserver that does not answer");
                None
            }
        }
    }
}
