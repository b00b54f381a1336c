//! The network address of a session, for SDKs up to 0.14 whose user asked for one (`is_vpc`).
//!
//! The address is the API's listener without TLS, which is on this machine only: so is then the client. What it calls there
//! is one of the direct routes.

use crate::app::App;
use std::net::{Ipv4Addr, SocketAddr};
use types::{ErrorCode, Fault};

/// Where such a client finds its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: Ipv4Addr,
    pub(super) port: u16,
}

/// The address, if this server has one to give.
pub(super) fn address(app: &App) -> Result<Address, Fault> {
    match app.plain {
        Some(SocketAddr::V4(plain)) => Ok(Address { ip: *plain.ip(), port: plain.port() }),
        _ => Err(Fault::new(
            ErrorCode::FailedPrecondition,
            "VpcResource: a session is reached on a network address only over the server's plain HTTP listener, which is off here or not on \
             an IPv4 address; start the server with --http-listen 127.0.0.1:8080, or leave VpcResource (is_vpc) out",
        )),
    }
}
