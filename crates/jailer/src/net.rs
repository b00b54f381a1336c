//! A sandbox's network namespace: `lo` alone, and four listeners in it.

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt, socket, sockopt};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NetError(#[from] io::Error);

/// A namespace and its listeners.
#[derive(Debug)]
pub struct SandboxNet {
    /// The namespace.
    pub netns: OwnedFd,
    /// TCP IPv4, TCP IPv6, DNS IPv4, DNS IPv6.
    pub listeners: [OwnedFd; 4],
}

/// Makes one.
pub fn create() -> Result<SandboxNet, NetError> {
    let host = File::open("/proc/thread-self/ns/net")?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    let netns = File::open("/proc/thread-self/ns/net")?;
    let listeners = listeners();
    setns(&host, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    Ok(SandboxNet { netns: netns.into(), listeners: listeners? })
}

/// Makes the listeners of an existing one.
pub fn listeners_in(netns: BorrowedFd<'_>) -> Result<[OwnedFd; 4], NetError> {
    let host = File::open("/proc/thread-self/ns/net")?;
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    let listeners = listeners();
    setns(&host, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    Ok(listeners?)
}

fn listeners() -> io::Result<[OwnedFd; 4]> {
    let ioctl = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: plain data; the name is shorter than its field, the ioctl reads an ifreq.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as _;
        request.ifr_name[1] = b'o' as _;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as _;
        if libc::ioctl(ioctl.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let v4 = |kind| socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None);
    let v6 = |kind| -> nix::Result<OwnedFd> {
        let fd = socket(AddressFamily::Inet6, kind, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        Ok(fd)
    };
    let fds = [v4(SockType::Stream)?, v6(SockType::Stream)?, v4(SockType::Datagram)?, v6(SockType::Datagram)?];
    for (index, fd) in fds.iter().enumerate() {
        match index % 2 {
            0 => bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 1040))?,
            _ => bind(fd.as_raw_fd(), &SockaddrIn6::from("[::1]:1040".parse::<std::net::SocketAddrV6>().map_err(io::Error::other)?))?,
        }
    }
    listen(&fds[0], Backlog::new(16)?)?;
    listen(&fds[1], Backlog::new(16)?)?;
    Ok(fds)
}
