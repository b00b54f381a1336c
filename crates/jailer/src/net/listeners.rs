//! The four sockets through which everything leaves a sandbox.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, bind, listen, setsockopt, socket, sockopt,
};

use super::{DNS_PORT, NetError, TCP_PORT};

/// Connects that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Makes them in the calling thread's namespace. They are bound to the loopback addresses that `redirect` sends to, so that
/// programs inside keep these ports on all other addresses.
pub(super) fn all() -> Result<[OwnedFd; 4], NetError> {
    let tcp_v4 = tcp_v4().map_err(listen_error("TCP over IPv4", TCP_PORT))?;
    let dns_v4 = dns_v4().map_err(listen_error("DNS over IPv4", DNS_PORT))?;
    let tcp_v6 = or_twin(tcp_v6(), &tcp_v4).map_err(listen_error("TCP over IPv6", TCP_PORT))?;
    let dns_v6 = or_twin(dns_v6(), &dns_v4).map_err(listen_error("DNS over IPv6", DNS_PORT))?;
    Ok([tcp_v4, tcp_v6, dns_v4, dns_v6])
}

fn tcp_v4() -> Result<OwnedFd, Errno> {
    tcp(AddressFamily::Inet, &v4(TCP_PORT))
}

fn tcp_v6() -> Result<OwnedFd, Errno> {
    tcp(AddressFamily::Inet6, &v6(TCP_PORT))
}

fn dns_v4() -> Result<OwnedFd, Errno> {
    bound(AddressFamily::Inet, SockType::Datagram, &v4(DNS_PORT))
}

fn dns_v6() -> Result<OwnedFd, Errno> {
    bound(AddressFamily::Inet6, SockType::Datagram, &v6(DNS_PORT))
}

fn tcp(family: AddressFamily, address: &dyn SockaddrLike) -> Result<OwnedFd, Errno> {
    let fd = bound(family, SockType::Stream, address)?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(fd)
}

fn bound(family: AddressFamily, kind: SockType, address: &dyn SockaddrLike) -> Result<OwnedFd, Errno> {
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    if kind == SockType::Stream {
        // Connections of an earlier egress process may linger on the port. Not for UDP: there it would let a program inside
        // bind the same port and take other programs' queries.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    if family == AddressFamily::Inet6 {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), address)?;
    Ok(fd)
}

/// On a kernel without IPv6 the IPv4 socket's duplicate stands in, so that there are always four.
fn or_twin(made: Result<OwnedFd, Errno>, twin: &OwnedFd) -> Result<OwnedFd, Errno> {
    match made {
        Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => twin.try_clone().map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0))),
        other => other,
    }
}

fn v4(port: u16) -> SockaddrIn {
    std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

fn v6(port: u16) -> SockaddrIn6 {
    std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0).into()
}

fn listen_error(what: &'static str, port: u16) -> impl FnOnce(Errno) -> NetError {
    move |errno| NetError::Listen { what, errno, port }
}
