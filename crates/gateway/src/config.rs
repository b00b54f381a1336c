//! What an operator can set about the front door.

use crate::GatewayError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use types::{Clock, Entropy};
use url::Url;

/// Addresses, names, secrets and limits of the front door. Start from [`GatewayConfig::new`].
#[derive(Clone)]
pub struct GatewayConfig {
    /// Where the API listens with TLS. Default `127.0.0.1:8443`; port 0 takes a free one.
    pub https: SocketAddr,
    /// Where the API listens without TLS; loopback only, other addresses are refused. Default: nowhere.
    pub http: Option<SocketAddr>,
    /// Where links into sessions are served, with TLS. Default `127.0.0.1:8444`.
    pub links: SocketAddr,
    /// How clients reach `https`. Default: `https://localhost:` and the bound port.
    pub public_url: Option<Url>,
    /// How browsers reach `links`; the base of every link given out. Default: `https://localhost:` and the bound port.
    pub links_url: Option<Url>,
    /// Where the certificate authority and the server's certificate lie; made when missing.
    pub tls_dir: PathBuf,
    /// Names and addresses the certificate covers besides `localhost`, `127.0.0.1`, `::1` and the host's own name.
    pub tls_names: Vec<String>,
    /// Signs links and tickets. Links given out earlier die when it changes.
    pub secret: [u8; 32],
    /// Time, for expiry.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for request ids.
    pub entropy: Arc<dyn Entropy>,
    /// How much is taken in.
    pub limits: Limits,
    /// How long is waited.
    pub timeouts: Timeouts,
}

/// Bounds on what clients can make the server hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body of a tool call, bytes. Default 24 MiB.
    pub tool_body: usize,
    /// Longest text that one `write_file` over the direct route may carry, bytes. Default 256 MiB.
    pub direct_content: usize,
    /// Longest body of any other API request, bytes. Default 1 MiB.
    pub body: usize,
    /// Bytes of large bodies held at once by all requests together. Default 512 MiB.
    pub bodies_in_flight: usize,
    /// Connections at once per listener, WebSockets and other upgraded ones among them; further ones wait in the kernel's
    /// backlog. Default 2,048.
    pub connections: usize,
    /// Requests at once over all listeners; further ones are told to come back. Default 2,048.
    pub requests: usize,
    /// Requests at once of one tenant; further ones are told to come back. Default 1,536.
    pub requests_per_tenant: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tool_body: 24 << 20,
            direct_content: 256 << 20,
            body: 1 << 20,
            bodies_in_flight: 512 << 20,
            connections: 2048,
            requests: 2048,
            requests_per_tenant: 1536,
        }
    }
}

/// Bounds on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// From the end of an answer to the end of the next request's head: how long an idle connection is kept, and how
    /// slowly a head may come. Official SDKs reuse connections without a retry, so it is long. Default 90 s.
    pub idle: Duration,
    /// A whole API request body. Default 60 s.
    pub body: Duration,
    /// Any API call that is not a command, and what a command gets beyond its own limit. Default 55 s: official SDKs stop
    /// listening after 60 s, and are to hear what went wrong.
    pub call: Duration,
    /// A call over the direct route beyond its own limit, and a whole transfer of a file. Default 890 s: official SDKs
    /// stop listening there after 900 s.
    pub direct: Duration,
    /// From one blank to the next while an answer is awaited by clients that give up after a silence: after a second, if
    /// they were told to. Default 500 ms.
    pub sign_of_life: Duration,
    /// From one ping to the next on a WebSocket. Default 30 s.
    pub socket_ping: Duration,
    /// A session's WebSocket is closed when its client has not taken one message within this time. Default 30 s.
    pub socket_write: Duration,
    /// From the answer that names a new terminal to the first of its output: clients lose what comes before they have
    /// taken note of the name. Default 150 ms.
    pub socket_settle: Duration,
    /// How often open sockets ask whether their key still holds. Default 5 s.
    pub socket_recheck: Duration,
    /// Clearing a session away before its deletion is answered all the same. Default 5 s.
    pub delete: Duration,
    /// Reaching a port inside a session. Default 10 s.
    pub link_connect: Duration,
    /// From a request over a link to the head of its answer. Default 300 s.
    pub link_answer: Duration,
    /// Life of a link; shorter when its session ends earlier. Default 24 h.
    pub link_life: Duration,
    /// Life of a URL of a file in a context. Default 1 h.
    pub file_url_life: Duration,
    /// Life of a resource page's URL and of its codes. Default 30 min.
    pub page_life: Duration,
    /// A client whose WebSocket is open and from which nothing came for so long, not even an answer to a ping, or that
    /// takes or gives nothing of a file for so long, has gone. Long, because one that pauses its output answers no ping
    /// either. Default 5 min.
    pub silence: Duration,
    /// How long running requests may go on once the server stops. Default 10 s.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(90),
            body: Duration::from_secs(60),
            call: Duration::from_secs(55),
            direct: Duration::from_secs(890),
            sign_of_life: Duration::from_millis(500),
            socket_ping: Duration::from_secs(30),
            socket_write: Duration::from_secs(30),
            socket_settle: Duration::from_millis(150),
            socket_recheck: Duration::from_secs(5),
            delete: Duration::from_secs(5),
            link_connect: Duration::from_secs(10),
            link_answer: Duration::from_secs(300),
            link_life: Duration::from_secs(24 * 3600),
            file_url_life: Duration::from_secs(3600),
            page_life: Duration::from_secs(30 * 60),
            silence: Duration::from_secs(300),
            drain: Duration::from_secs(10),
        }
    }
}

impl GatewayConfig {
    /// Defaults everywhere but for what has none.
    pub fn new(tls_dir: PathBuf, secret: [u8; 32], clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            https: SocketAddr::new(loopback, 8443),
            http: None,
            links: SocketAddr::new(loopback, 8444),
            public_url: None,
            links_url: None,
            tls_dir,
            tls_names: Vec::new(),
            secret,
            clock,
            entropy,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }

    /// Refuses what would be unsafe: API keys in clear text on a network.
    pub(crate) fn check(&self) -> Result<(), GatewayError> {
        match self.http {
            Some(address) if !address.ip().is_loopback() => Err(GatewayError::PlainHttpOnNetwork { address }),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("https", &self.https)
            .field("http", &self.http)
            .field("links", &self.links)
            .field("public_url", &self.public_url)
            .field("links_url", &self.links_url)
            .field("tls_dir", &self.tls_dir)
            .field("tls_names", &self.tls_names)
            .field("limits", &self.limits)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Timeouts;
    use std::time::Duration;

    #[test]
    fn clients_hear_of_a_time_out_before_they_stop_listening() {
        assert!(Timeouts::default().call < Duration::from_secs(60));
        assert!(Timeouts::default().delete < Timeouts::default().call);
    }
}
