//! Why the front door could not be opened.

use crate::tls::TlsError;
use std::net::SocketAddr;

/// A failure to start serving.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Another program listens there.
    #[error(
        "{purpose}: address {address} is already in use; stop the program that has it, or choose another address or port for {purpose}"
    )]
    AddressInUse {
        /// What was to listen there: `https`, `http` or `links`.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("{purpose}: cannot listen on {address}")]
    Bind {
        /// What was to listen there.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Plain HTTP would show API keys to the network.
    #[error("plain HTTP on {address} would show API keys to the network; use a loopback address such as 127.0.0.1, or HTTPS")]
    PlainHttpOnNetwork {
        /// The refused address.
        address: SocketAddr,
    },
    /// A public URL that cannot be a base of links.
    #[error("{purpose} {url:?} must be http:// or https:// with a host and no path, query or fragment")]
    Url {
        /// Which setting.
        purpose: &'static str,
        /// What it says.
        url: String,
    },
    /// No usable certificate.
    #[error("the server's certificate cannot be set up")]
    Tls(#[from] TlsError),
}
