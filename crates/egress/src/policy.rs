//! Which addresses a sandbox may reach: other hosts of the public internet, and private networks that the operator opened.
//!
//! An address can hold another one (NAT64, 6to4, Teredo). Whoever translates it may be this very host, so what is held
//! must be allowed as well.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jailer::net::{IpNet, Route, RouteKind};
use nix::errno::Errno;

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No setting opens it.
    #[error("never allowed: {0}")]
    Never(&'static str),
    /// `--allow` may open it.
    #[error("not a public address: {0}")]
    Private(&'static str),
    /// It holds an IPv4 address that is refused.
    #[error("{0} inside an IPv6 address is not allowed")]
    Holds(Ipv4Addr),
    /// The host's routing tables say that it is not one other host.
    #[error("the host's routing tables call it {0}")]
    Here(Place),
    /// The host has no route to it.
    #[error("the host has no route to it")]
    NoRoute,
    /// The routing tables could not be asked, so nothing is known of it.
    #[error("the host's routing tables could not be asked: {0}")]
    Unknown(Errno),
}

/// What an address is if it is not one other host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// This host.
    Local,
    /// Broadcast, anycast or multicast.
    Shared,
    /// Unreachable or prohibited.
    Nowhere,
}

/// Whether the kind of address is allowed. Looks at nothing but its arguments.
///
/// # Errors
/// The [`Refusal`].
pub fn check(destination: IpAddr, allow: &[IpNet]) -> Result<(), Refusal> {
    if let Some(what) = find(&NEVER, destination) {
        return Err(Refusal::Never(what));
    }
    if let Some(inner) = held(destination).find(|inner| check(IpAddr::V4(*inner), allow).is_err()) {
        return Err(Refusal::Holds(inner));
    }
    if allow.iter().any(|net| net.contains(&destination)) {
        return Ok(());
    }
    match find(&PRIVATE, destination) {
        Some(what) => Err(Refusal::Private(what)),
        None if is_public(destination) => Ok(()),
        None => Err(Refusal::Private("outside the public ranges")),
    }
}

/// Whether the address is another host's, as `lookup` ([`jailer::net::lookup`]) has it.
///
/// # Errors
/// The [`Refusal`]; an address is refused too when nothing can be learned about it.
pub fn check_route(destination: IpAddr, lookup: impl Fn(IpAddr) -> Result<Route, Errno>) -> Result<(), Refusal> {
    for inner in held(destination) {
        match elsewhere(lookup(IpAddr::V4(inner))) {
            // A host with IPv6 alone has no IPv4 routes, and its provider translates.
            Ok(()) | Err(Refusal::NoRoute) => {}
            Err(Refusal::Here(_)) => return Err(Refusal::Holds(inner)),
            Err(other) => return Err(other),
        }
    }
    elsewhere(lookup(destination))
}

fn elsewhere(route: Result<Route, Errno>) -> Result<(), Refusal> {
    match route {
        Ok(route) if route.is_elsewhere() => Ok(()),
        Ok(route) => Err(Refusal::Here(match route.kind {
            // Over loopback, whatever the table calls it.
            RouteKind::Unicast | RouteKind::Local => Place::Local,
            RouteKind::Shared => Place::Shared,
            RouteKind::Nowhere => Place::Nowhere,
        })),
        // The last two are how blackhole and prohibit routes answer.
        Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EINVAL | Errno::EACCES) => Err(Refusal::NoRoute),
        Err(errno) => Err(Refusal::Unknown(errno)),
    }
}

/// The IPv4 addresses that translators and tunnels would take from `destination`.
fn held(destination: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let found = match destination {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(ip) => {
            let at = |first: usize| {
                let o = ip.octets();
                Ipv4Addr::new(o[first], o[first + 1], o[first + 2], o[first + 3])
            };
            match ip.segments() {
                [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(at(12)), None],
                [0x2002, ..] => [Some(at(2)), None],
                // Teredo: the relay's server, and the client's address with all bits turned over.
                [0x2001, 0, ..] => [Some(at(4)), Some(Ipv4Addr::from_bits(!at(12).to_bits()))],
                _ => [None, None],
            }
        }
    };
    found.into_iter().flatten()
}

/// IPv6 gives out 2000::/3 alone, and NAT64 has a prefix outside it.
fn is_public(destination: IpAddr) -> bool {
    match destination {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000 || ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0],
    }
}

type Range = (IpNet, &'static str);

fn find(ranges: &[Range], ip: IpAddr) -> Option<&'static str> {
    ranges.iter().find(|(net, _)| net.contains(&ip)).map(|(_, what)| *what)
}

/// What no setting opens.
const NEVER: [Range; 18] = [
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local, where clouds keep their metadata services"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved and broadcast"),
    (v4([100, 100, 100, 200], 32), "Alibaba Cloud's metadata service"),
    (v4([168, 63, 129, 16], 32), "Azure's platform service"),
    (v4([192, 0, 0, 192], 32), "Oracle Cloud's metadata service"),
    // Among them the unspecified address and ::1.
    (v6([0, 0, 0, 0, 0, 0], 96), "loopback or IPv4-compatible"),
    (v6([0, 0, 0, 0, 0, 0xffff], 96), "IPv4-mapped"),
    (v6([0, 0, 0, 0, 0xffff, 0], 96), "IPv4-translated"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0], 48), "the local network's translation prefix"),
    (v6([0xfe80, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0], 8), "multicast"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0], 32), "Amazon's metadata and other instance services"),
    (v6([0xfd20, 0xce, 0, 0, 0, 0], 64), "Google Cloud's metadata service"),
    (v6([0xfd00, 0xc1, 0, 0, 0, 0], 32), "Oracle Cloud's metadata service"),
];

/// What is not of the public internet (IANA's special-purpose registries), unless the operator opens it. The ranges kept
/// for documentation are left out: they are nobody's, and laboratories put their stand-in for the internet there.
const PRIVATE: [Range; 10] = [
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared by a provider's customers"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "IETF protocol assignments"),
    (v4([192, 88, 99, 0], 24), "6to4 relays"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarks"),
    (v6([0xfc00, 0, 0, 0, 0, 0], 7), "unique local"),
    // Of 2001::/23 the first /32 is Teredo, which was looked into.
    (v6([0x2001, 1, 0, 0, 0, 0], 32), "IETF protocol assignments"),
    (v6([0x2001, 2, 0, 0, 0, 0], 31), "IETF protocol assignments"),
];

const fn v4(o: [u8; 4], bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(o[0], o[1], o[2], o[3])), bits)
}

const fn v6(s: [u16; 6], bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], 0, 0)), bits)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "this host",
            Self::Shared => "broadcast, anycast or multicast",
            Self::Nowhere => "unreachable",
        })
    }
}

#[cfg(test)]
mod tests;
