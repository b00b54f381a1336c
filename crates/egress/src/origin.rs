//! Where a redirected connection was meant to go.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;

use nix::libc;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::TcpStream;

/// Asks the kernel's connection tracking of the sandbox's namespace. For a client that connected to the listener itself
/// this is the listener's own address, which the policy refuses as loopback.
pub(crate) fn of(client: &TcpStream) -> io::Result<SocketAddr> {
    match client.local_addr()? {
        SocketAddr::V4(_) => Ok(v4(getsockopt(&client.as_fd(), sockopt::OriginalDst)?)),
        SocketAddr::V6(_) => Ok(v6(getsockopt(&client.as_fd(), sockopt::Ip6tOriginalDst)?)),
    }
}

fn v4(raw: libc::sockaddr_in) -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes()), u16::from_be(raw.sin_port)).into()
}

/// Without the scope: it would be an interface of the sandbox.
fn v6(raw: libc::sockaddr_in6) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::from(raw.sin6_addr.s6_addr), u16::from_be(raw.sin6_port), 0, 0).into()
}
