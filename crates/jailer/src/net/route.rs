//! What the host's routing tables say about an address. Needs no privilege.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::netlink::{Batch, Netlink, attributes, word};
use super::octets;

/// Where packets to an address would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// What kind of destination it is.
    pub kind: RouteKind,
    /// The kernel would send it over loopback.
    pub loopback: bool,
    /// The address the host would send from, if the kernel said so.
    pub source: Option<IpAddr>,
}

/// Kinds of destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Another host, directly or over a gateway.
    Unicast,
    /// This host.
    Local,
    /// Every host on a link, or whichever is nearest, or a group.
    Shared,
    /// Nobody: prohibited, unreachable or thrown away.
    Nowhere,
}

impl Route {
    /// The address is another host's.
    pub fn is_elsewhere(&self) -> bool {
        self.kind == RouteKind::Unicast && !self.loopback
    }
}

/// Asks the routing tables of the calling thread's network namespace for `destination`. Takes some 10 µs and never waits.
///
/// # Errors
/// `ENETUNREACH` or `EHOSTUNREACH` where there is no route; others if netlink does not work.
pub fn lookup(destination: IpAddr) -> Result<Route, Errno> {
    let mut batch = Batch::with_capacity(64);
    batch.message("a route", libc::RTM_GETROUTE, 0, |m| {
        let (family, bits) = match destination {
            IpAddr::V4(_) => (libc::AF_INET, 32),
            IpAddr::V6(_) => (libc::AF_INET6, 128),
        };
        m.put(&[family as u8, bits, 0, 0, 0, 0, 0, 0]);
        m.put(&0u32.to_ne_bytes());
        m.attr(libc::RTA_DST, &octets(destination));
    });
    Netlink::open(SockProtocol::NetlinkRoute)?.ask(&batch, |answer| parse(answer).ok_or(Errno::EPROTO))
}

/// The host can reach the IPv6 internet: it has a route to a global address and a global address to send from. (With a
/// unique local address alone, a default route mostly leads nowhere.)
///
/// # Errors
/// Netlink does not work.
pub fn host_has_ipv6() -> Result<bool, Errno> {
    /// k.root-servers.net: any global address would do, and nothing is sent.
    const SOMEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0x7fd, 0, 0, 0, 0, 0, 1);
    match lookup(SOMEWHERE.into()) {
        Ok(route) => Ok(route.is_elsewhere() && matches!(route.source, Some(IpAddr::V6(ip)) if ip.segments()[0] & 0xe000 == 0x2000)),
        Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => {
            Ok(false)
        }
        Err(errno) => Err(errno),
    }
}

/// Reads an `rtmsg` and its attributes.
fn parse(answer: &[u8]) -> Option<Route> {
    /// Length of an `rtmsg`, and where in it the type is.
    const RTMSG: usize = 12;
    const TYPE: usize = 7;
    const LO: u32 = 1;
    let kind = match *answer.get(TYPE)? {
        libc::RTN_UNICAST => RouteKind::Unicast,
        libc::RTN_LOCAL => RouteKind::Local,
        libc::RTN_BROADCAST | libc::RTN_ANYCAST | libc::RTN_MULTICAST => RouteKind::Shared,
        _ => RouteKind::Nowhere,
    };
    let mut route = Route { kind, loopback: false, source: None };
    for (kind, value) in attributes(answer.get(RTMSG..)?) {
        match kind {
            libc::RTA_OIF => route.loopback = word(value, 0)? == LO,
            libc::RTA_PREFSRC => route.source = address(value),
            _ => {}
        }
    }
    Some(route)
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(|b| Ipv4Addr::from(b).into()),
        16 => <[u8; 16]>::try_from(value).ok().map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_host() {
        let route = lookup(Ipv4Addr::new(127, 3, 2, 1).into()).expect("every host has loopback");
        assert_eq!((route.kind, route.is_elsewhere()), (RouteKind::Local, false));
    }

    #[test]
    fn broadcast_and_groups_are_nobody_in_particular() {
        for ip in [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1)] {
            // A host without any interface may have no route to a group.
            if let Ok(route) = lookup(ip.into()) {
                assert_eq!((ip, route.kind), (ip, RouteKind::Shared));
            }
        }
    }

    #[test]
    fn whether_there_is_ipv6_can_always_be_told() {
        host_has_ipv6().expect("an answer");
    }
}
