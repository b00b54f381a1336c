//! The rules of a sandbox's namespace, as one nft table for each address family.
//!
//! ```text
//! chain out { type nat hook output priority dstnat
//!     daddr 127.0.0.0/8 or the sandbox's own      accept            programs inside talk to each other
//!     udp or tcp, port 53                         redirect to us    whatever nameserver was meant
//!     tcp, daddr in the allowed networks          redirect to us
//!     daddr never allowed                         goto refuse
//!     tcp                                         redirect to us
//!     goto refuse
//! }
//! chain refuse { tcp: reject with reset; else reject with port unreachable }
//! ```
//!
//! A `nat` chain sees the first packet of each connection only, so established traffic pays nothing for these rules.

mod expression;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::sys::socket::SockProtocol;

use expression::{accept, destination, destination_port, goto, protocol, redirect, reset, unreachable};

use super::netlink::{Batch, Netlink};
use super::{ADDRESS_V4, ADDRESS_V6, DNS_PORT, NetError, TCP_PORT};

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `table ip`
    V4,
    /// `table ip6`
    V6,
}

/// Loads the table of `family` into the calling thread's namespace; all of it or nothing.
pub(super) fn load(family: Family, allow: &[IpNet]) -> Result<(), NetError> {
    const REMEDY: &str = "the kernel needs nf_tables with nat, redirect and reject (modules nft_chain_nat, nft_redir, nft_reject_ipv4, \
                          nft_reject_ipv6) and the caller CAP_NET_ADMIN";
    let fail = |errno| NetError::Netlink { step: "a netlink socket for nft", errno, remedy: REMEDY };
    let netlink = Netlink::open(SockProtocol::NetlinkNetFilter).map_err(fail)?;
    netlink.run(&table(family, allow), REMEDY)
}

const TABLE: &str = "roadstead";
const OUT: &str = "out";
const REFUSE: &str = "refuse";

/// Where `redirect` belongs: NF_IP_PRI_NAT_DST.
const PRIORITY: i32 = -100;

/// What egress refuses whatever it is told and what it refuses unless told otherwise, so far as a range says it.
const FORBIDDEN_V4: [Ipv4Net; 9] = [
    v4(0, 0, 8),
    v4(10, 0, 8),
    v4(100, 64, 10),
    v4(169, 254, 16),
    v4(172, 16, 12),
    v4(192, 168, 16),
    v4(224, 0, 4),
    v4(240, 0, 4),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 0, 0), 24),
];

/// The first holds the unspecified address and IPv4 in disguise (`::a.b.c.d`, `::ffff:a.b.c.d`); `::1` was let through
/// before. NAT64 and the tunnels are left to egress, which looks inside them.
const FORBIDDEN_V6: [Ipv6Net; 4] = [v6(0, 64), v6(0xfc00, 7), v6(0xfe80, 10), v6(0xff00, 8)];

fn table(family: Family, allow: &[IpNet]) -> Batch {
    let mut batch = Batch::with_capacity(6144);
    batch.message("beginning", libc::NFNL_MSG_BATCH_BEGIN as u16, 0, |m| header(m, libc::AF_UNSPEC as u8, libc::NFNL_SUBSYS_NFTABLES));
    let mut rules = Rules { batch, family };
    rules.add("the table", libc::NFT_MSG_NEWTABLE, 0, |m| m.attr_str(NFTA_TABLE_NAME, TABLE));
    rules.chain(REFUSE, |_| {});
    rules.chain(OUT, |m| {
        m.nest(NFTA_CHAIN_HOOK, |m| {
            m.attr_be32(NFTA_HOOK_HOOKNUM, libc::NF_INET_LOCAL_OUT as u32);
            m.attr(NFTA_HOOK_PRIORITY, &PRIORITY.to_be_bytes());
        });
        m.attr_str(NFTA_CHAIN_TYPE, "nat");
    });
    rules.rule("the rule for TCP to refuse", REFUSE, 0, |m| {
        protocol(m, libc::IPPROTO_TCP);
        reset(m);
    });
    rules.rule("the rule for the rest to refuse", REFUSE, 0, |m| unreachable(m, family.port_unreachable()));

    for net in family.own() {
        rules.rule("the rule for own addresses", OUT, 0, |m| {
            destination(m, net);
            accept(m);
        });
    }
    for (kind, port) in [(libc::IPPROTO_UDP, DNS_PORT), (libc::IPPROTO_TCP, TCP_PORT)] {
        rules.rule("the rule for DNS", OUT, 0, |m| {
            protocol(m, kind);
            destination_port(m, 53);
            redirect(m, port);
        });
    }
    for net in allow.iter().filter(|net| family.has(net)) {
        rules.rule("the rule for an allowed network", OUT, 0, |m| {
            protocol(m, libc::IPPROTO_TCP);
            destination(m, *net);
            redirect(m, TCP_PORT);
        });
    }
    for net in family.forbidden() {
        rules.rule("the rule for a forbidden network", OUT, 0, |m| {
            destination(m, net);
            goto(m, REFUSE);
        });
    }
    rules.rule("the rule for TCP", OUT, 0, |m| {
        protocol(m, libc::IPPROTO_TCP);
        redirect(m, TCP_PORT);
    });
    rules.rule("the rule for the rest", OUT, libc::NLM_F_ACK, |m| goto(m, REFUSE));
    rules.finish()
}

impl Family {
    /// Programs inside reach each other by these.
    fn own(self) -> [IpNet; 2] {
        match self {
            Self::V4 => [IpNet::V4(v4(127, 0, 8)), IpAddr::from(ADDRESS_V4).into()],
            Self::V6 => [IpAddr::from(Ipv6Addr::LOCALHOST).into(), IpAddr::from(ADDRESS_V6).into()],
        }
    }

    fn forbidden(self) -> Vec<IpNet> {
        match self {
            Self::V4 => FORBIDDEN_V4.map(IpNet::V4).to_vec(),
            Self::V6 => FORBIDDEN_V6.map(IpNet::V6).to_vec(),
        }
    }

    fn has(self, net: &IpNet) -> bool {
        matches!((self, net), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }

    fn port_unreachable(self) -> u8 {
        match self {
            Self::V4 => 3,
            Self::V6 => 4,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::V4 => libc::NFPROTO_IPV4 as u8,
            Self::V6 => libc::NFPROTO_IPV6 as u8,
        }
    }
}

/// A batch for one table.
struct Rules {
    batch: Batch,
    family: Family,
}

impl Rules {
    fn add(&mut self, step: &'static str, kind: i32, flags: i32, body: impl FnOnce(&mut Batch)) {
        let family = self.family.number();
        let kind = (libc::NFNL_SUBSYS_NFTABLES << 8) as u16 | kind as u16;
        self.batch.message(step, kind, libc::NLM_F_CREATE | flags, |m| {
            header(m, family, 0);
            body(m);
        });
    }

    fn chain(&mut self, name: &'static str, body: impl FnOnce(&mut Batch)) {
        self.add("a chain", libc::NFT_MSG_NEWCHAIN, 0, |m| {
            m.attr_str(NFTA_CHAIN_TABLE, TABLE);
            m.attr_str(NFTA_CHAIN_NAME, name);
            body(m);
        });
    }

    fn rule(&mut self, step: &'static str, chain: &'static str, flags: i32, body: impl FnOnce(&mut Batch)) {
        self.add(step, libc::NFT_MSG_NEWRULE, libc::NLM_F_APPEND | flags, |m| {
            m.attr_str(NFTA_RULE_TABLE, TABLE);
            m.attr_str(NFTA_RULE_CHAIN, chain);
            m.nest(NFTA_RULE_EXPRESSIONS, body);
        });
    }

    fn finish(mut self) -> Batch {
        self.batch.message("ending", libc::NFNL_MSG_BATCH_END as u16, 0, |m| header(m, libc::AF_UNSPEC as u8, libc::NFNL_SUBSYS_NFTABLES));
        self.batch
    }
}

/// `nfgenmsg`: family, version, resource.
fn header(m: &mut Batch, family: u8, resource: i32) {
    let [high, low] = (resource as u16).to_be_bytes();
    m.put(&[family, 0, high, low]);
}

const fn v4(a: u8, b: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), bits)
}

const fn v6(first: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), bits)
}

// Names of linux/netfilter/nf_tables.h that libc does not have.

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
