//! `lo` of a fresh namespace: up, with addresses of its own, and every other address made local by it.

use std::net::IpAddr;

use nix::sys::socket::SockProtocol;

use super::netlink::{Batch, Netlink};
use super::{ADDRESS_V4, ADDRESS_V6, NetError, octets};

/// The kernel gives `lo` this index in every namespace: it registers it before anything else can exist.
const LO: u32 = 1;

const REMEDY: &str = "the kernel needs IP (and, on a host that has it, IPv6) and the caller CAP_NET_ADMIN";

/// Does it for the calling thread's namespace.
pub(super) fn set_up(ipv6: bool) -> Result<(), NetError> {
    let mut batch = Batch::with_capacity(512);
    batch.message("lo up", libc::RTM_NEWLINK, 0, |m| {
        let up = libc::IFF_UP as u32;
        m.put(&[libc::AF_UNSPEC as u8, 0, 0, 0]);
        m.put(&LO.to_ne_bytes());
        m.put(&up.to_ne_bytes());
        m.put(&up.to_ne_bytes());
    });
    if ipv6 {
        address(&mut batch, "the IPv6 address", ADDRESS_V6.into(), 0);
        default_is_local(&mut batch, "the IPv6 route", libc::AF_INET6, None, 0);
    }
    address(&mut batch, "the IPv4 address", ADDRESS_V4.into(), 0);
    // Without a preferred source the kernel would take the destination itself as the source of a connect to it.
    default_is_local(&mut batch, "the IPv4 route", libc::AF_INET, Some(ADDRESS_V4.into()), libc::NLM_F_ACK);
    let netlink = Netlink::open(SockProtocol::NetlinkRoute).map_err(|errno| NetError::Netlink {
        step: "a netlink socket for routes",
        errno,
        remedy: REMEDY,
    })?;
    netlink.run(&batch, REMEDY)
}

fn address(batch: &mut Batch, step: &'static str, ip: IpAddr, flags: i32) {
    batch.message(step, libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL | flags, |m| {
        let (family, bits) = match ip {
            IpAddr::V4(_) => (libc::AF_INET, 32),
            IpAddr::V6(_) => (libc::AF_INET6, 128),
        };
        m.put(&[family as u8, bits, 0, libc::RT_SCOPE_UNIVERSE]);
        m.put(&LO.to_ne_bytes());
        m.attr(libc::IFA_LOCAL, &octets(ip));
        m.attr(libc::IFA_ADDRESS, &octets(ip));
    });
}

/// `local default dev lo`, in the table that is asked first.
fn default_is_local(batch: &mut Batch, step: &'static str, family: i32, source: Option<IpAddr>, flags: i32) {
    batch.message(step, libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL | flags, |m| {
        let scope = if family == libc::AF_INET { libc::RT_SCOPE_HOST } else { libc::RT_SCOPE_UNIVERSE };
        m.put(&[family as u8, 0, 0, 0, libc::RT_TABLE_LOCAL, libc::RTPROT_BOOT, scope, libc::RTN_LOCAL]);
        m.put(&0u32.to_ne_bytes());
        m.attr(libc::RTA_OIF, &LO.to_ne_bytes());
        if let Some(ip) = source {
            m.attr(libc::RTA_PREFSRC, &octets(ip));
        }
    });
}
