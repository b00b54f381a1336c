//! A sandbox's network: a namespace with nothing in it but `lo`, from which the only way out is through listeners of ours.
//!
//! Every address is made local (`local default dev lo`), so that no packet ever leaves the namespace. A short nft chain
//! redirects each TCP connect to one listener and each DNS query to one socket; the process that holds these (`egress`)
//! reads the original destination, applies the policy and dials. The chain also refuses at once what is never allowed:
//! a redirected connect succeeds before anybody dialled, and a client that saw it succeed does not try its next address.
//! It is there for that courtesy. What keeps a sandbox in is that its namespace has no other way out.
//!
//! The namespace belongs to the host's user namespace because it is made before the sandbox's own one: root inside the
//! sandbox can change neither routes nor rules.

mod control;
mod link;
mod listeners;
mod netlink;
mod nft;
mod route;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

pub use control::inherited_socket;
pub use ipnet::IpNet;
pub use route::{Route, RouteKind, host_has_ipv6, lookup};

/// The sandbox's own IPv4 address, on `lo`.
///
/// Without an address other than 127.0.0.1, `getaddrinfo` with `AI_ADDRCONFIG` finds no IPv4 and answers nothing. This one
/// is RFC 7600's dummy address: no host ever has it, so giving it to `lo` hides nothing that could be reached, and its
/// scope is global, so address selection (RFC 6724) does not rank every destination as out of scope.
pub const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// The sandbox's own IPv6 address, on `lo` when the sandbox has IPv6.
///
/// A unique local address on purpose: with it, RFC 6724 ranks a name's IPv4 addresses before its IPv6 ones. A connect here
/// succeeds before the host dialled, so a client does not fall back from a broken IPv6 path by itself.
pub const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd72, 0x6f61, 0x6473, 0, 0, 0, 0, 1);

/// What a sandbox's `/etc/resolv.conf` should name. DNS to any address but the sandbox's own ones is answered; this one
/// (of the same IETF block as [`ADDRESS_V4`]) is never anybody's.
pub const NAMESERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 53);

/// Port of the TCP listeners, on 127.0.0.1 and `::1`. Above the ephemeral ports (which end at 60999), where programs
/// rarely listen.
pub const TCP_PORT: u16 = 62_001;

/// Port of the UDP DNS sockets, on 127.0.0.1 and `::1`.
pub const DNS_PORT: u16 = 62_053;

/// A sandbox's network as the starter holds it. Dropping it, once no process is inside, ends the namespace.
#[derive(Debug)]
pub struct SandboxNet {
    /// The namespace.
    pub netns: OwnedFd,
    /// For the egress process, in the order of [`crate::wire::EgressOrder::Add`]: TCP IPv4, TCP IPv6, UDP DNS IPv4, UDP DNS
    /// IPv6. All of them close-on-exec and non-blocking.
    pub listeners: [OwnedFd; 4],
}

/// What differs from one sandbox's network to the next.
#[derive(Debug, Clone, Default)]
pub struct NetOptions {
    /// Route IPv6 to egress. Without it IPv6 connects fail at once (`ENETUNREACH`), so that clients go on to IPv4.
    pub ipv6: bool,
    /// Networks that are not refused here although they are private. Egress must be told the same, else it refuses them.
    pub allow: Vec<IpNet>,
}

/// Why a network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No thread to enter the namespace with.
    #[error("starting a thread for a sandbox's network: {0}")]
    Thread(std::io::Error),
    /// Making the namespace.
    #[error("making a network namespace: {0}; it needs CAP_SYS_ADMIN and room under user.max_net_namespaces")]
    Unshare(Errno),
    /// Going into it.
    #[error("entering a sandbox's network namespace: {0}; it needs CAP_SYS_ADMIN")]
    Enter(Errno),
    /// One of the files about it.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel refused a link, an address, a route or a rule.
    #[error("setting up a sandbox's network, {step}: {errno}; {remedy}")]
    Netlink {
        /// What was asked for.
        step: &'static str,
        /// Why.
        errno: Errno,
        /// What to look at.
        remedy: &'static str,
    },
    /// A listener could not be made.
    #[error("listening inside a sandbox for {what}: {errno}; another program inside may hold port {port}")]
    Listen {
        /// Which of the four.
        what: &'static str,
        /// Why.
        errno: Errno,
        /// Its port.
        port: u16,
    },
}

/// Makes a sandbox's network for this host: with IPv6 if the host has it. Needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`.
///
/// # Errors
/// [`NetError`], with nothing left behind.
pub fn create() -> Result<SandboxNet, NetError> {
    create_with(&NetOptions { ipv6: host_has_ipv6().unwrap_or(false), allow: Vec::new() })
}

/// As [`create`], with everything said.
///
/// # Errors
/// [`NetError`], with nothing left behind.
pub fn create_with(options: &NetOptions) -> Result<SandboxNet, NetError> {
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(NetError::Unshare)?;
        let netns = open(OWN_NAMESPACE)?;
        link::set_up(options.ipv6)?;
        write(FIRST_FREE_PORT, "0")?;
        let listeners = listeners::all()?;
        nft::load(nft::Family::V4, &options.allow)?;
        if options.ipv6 {
            nft::load(nft::Family::V6, &options.allow)?;
        }
        Ok(SandboxNet { netns: netns.into(), listeners })
    })
}

/// Makes the listeners anew in a namespace that has none any more, because the process that held them has died.
///
/// # Errors
/// [`NetError`]; among them that a program inside has taken a port meanwhile.
pub fn listeners_in(netns: BorrowedFd<'_>) -> Result<[OwnedFd; 4], NetError> {
    on_own_thread(|| {
        setns(netns, CloneFlags::CLONE_NEWNET).map_err(NetError::Enter)?;
        listeners::all()
    })
}

/// The namespace of the calling thread.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Lowest port that needs no privilege to bind: programs in a sandbox may well serve on port 80.
const FIRST_FREE_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Runs `f` on a thread that ends with it. A thread that has gone into a sandbox's namespace never has to come back, so
/// the caller stays in its own whatever fails.
fn on_own_thread<T: Send>(f: impl FnOnce() -> Result<T, NetError> + Send) -> Result<T, NetError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sandbox-net".into()).stack_size(128 * 1024).spawn_scoped(scope, f);
        match thread.map_err(NetError::Thread)?.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn open(path: &'static str) -> Result<File, NetError> {
    File::open(path).map_err(|source| NetError::File { path, source })
}

fn write(path: &'static str, value: &str) -> Result<(), NetError> {
    std::fs::write(path, value).map_err(|source| NetError::File { path, source })
}

/// The address's bytes in network order.
fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
