//! The expressions that rules are made of. Each loads what it needs into the one register; a rule goes on while they hold.

use ipnet::IpNet;

use super::super::netlink::Batch;
use super::super::octets;

/// `meta l4proto NUMBER`
pub(super) fn protocol(m: &mut Batch, number: i32) {
    expression(m, "meta", |m| {
        m.attr_be32(NFTA_META_DREG, REGISTER);
        m.attr_be32(NFTA_META_KEY, libc::NFT_META_L4PROTO as u32);
    });
    equals(m, &[number as u8]);
}

/// `ip daddr NET` or `ip6 daddr NET`; loads no more bytes than the prefix has.
pub(super) fn destination(m: &mut Batch, net: IpNet) {
    let length = usize::from(net.prefix_len()).div_ceil(8).max(1);
    let offset = match net {
        IpNet::V4(_) => 16,
        IpNet::V6(_) => 24,
    };
    payload(m, libc::NFT_PAYLOAD_NETWORK_HEADER, offset, length);
    if length * 8 != usize::from(net.prefix_len()) {
        expression(m, "bitwise", |m| {
            m.attr_be32(NFTA_BITWISE_SREG, REGISTER);
            m.attr_be32(NFTA_BITWISE_DREG, REGISTER);
            m.attr_be32(NFTA_BITWISE_LEN, length as u32);
            m.nest(NFTA_BITWISE_MASK, |m| m.attr(NFTA_DATA_VALUE, &octets(net.netmask())[..length]));
            m.nest(NFTA_BITWISE_XOR, |m| m.attr(NFTA_DATA_VALUE, &[0; 16][..length]));
        });
    }
    equals(m, &octets(net.network())[..length]);
}

/// `th dport PORT`
pub(super) fn destination_port(m: &mut Batch, port: u16) {
    payload(m, libc::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    equals(m, &port.to_be_bytes());
}

fn payload(m: &mut Batch, base: i32, offset: u32, length: usize) {
    expression(m, "payload", |m| {
        m.attr_be32(NFTA_PAYLOAD_DREG, REGISTER);
        m.attr_be32(NFTA_PAYLOAD_BASE, base as u32);
        m.attr_be32(NFTA_PAYLOAD_OFFSET, offset);
        m.attr_be32(NFTA_PAYLOAD_LEN, length as u32);
    });
}

fn equals(m: &mut Batch, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.attr_be32(NFTA_CMP_SREG, REGISTER);
        m.attr_be32(NFTA_CMP_OP, libc::NFT_CMP_EQ as u32);
        m.nest(NFTA_CMP_DATA, |m| m.attr(NFTA_DATA_VALUE, value));
    });
}

/// `accept`
pub(super) fn accept(m: &mut Batch) {
    verdict(m, libc::NF_ACCEPT, None);
}

/// `goto CHAIN`
pub(super) fn goto(m: &mut Batch, chain: &str) {
    verdict(m, libc::NFT_GOTO, Some(chain));
}

fn verdict(m: &mut Batch, code: i32, chain: Option<&str>) {
    expression(m, "immediate", |m| {
        m.attr_be32(NFTA_IMMEDIATE_DREG, libc::NFT_REG_VERDICT as u32);
        m.nest(NFTA_IMMEDIATE_DATA, |m| {
            m.nest(NFTA_DATA_VERDICT, |m| {
                m.attr(NFTA_VERDICT_CODE, &code.to_be_bytes());
                if let Some(chain) = chain {
                    m.attr_str(NFTA_VERDICT_CHAIN, chain);
                }
            });
        });
    });
}

/// `redirect to :PORT`
pub(super) fn redirect(m: &mut Batch, port: u16) {
    expression(m, "immediate", |m| {
        m.attr_be32(NFTA_IMMEDIATE_DREG, REGISTER);
        m.nest(NFTA_IMMEDIATE_DATA, |m| m.attr(NFTA_DATA_VALUE, &port.to_be_bytes()));
    });
    expression(m, "redir", |m| m.attr_be32(NFTA_REDIR_REG_PROTO_MIN, REGISTER));
}

/// `reject with tcp reset`
pub(super) fn reset(m: &mut Batch) {
    reject(m, NFT_REJECT_TCP_RST, 0);
}

/// `reject with icmp CODE` or `icmpv6 CODE`
pub(super) fn unreachable(m: &mut Batch, code: u8) {
    reject(m, NFT_REJECT_ICMP_UNREACH, code);
}

fn reject(m: &mut Batch, kind: u32, code: u8) {
    expression(m, "reject", |m| {
        m.attr_be32(NFTA_REJECT_TYPE, kind);
        m.attr(NFTA_REJECT_ICMP_CODE, &[code]);
    });
}

fn expression(m: &mut Batch, name: &str, body: impl FnOnce(&mut Batch)) {
    m.nest(NFTA_LIST_ELEM, |m| {
        m.attr_str(NFTA_EXPR_NAME, name);
        m.nest(NFTA_EXPR_DATA, body);
    });
}

// Names of linux/netfilter/nf_tables.h that libc does not have.

/// NFT_REG_1; one register is enough for all rules.
const REGISTER: u32 = 1;
const NFT_REJECT_ICMP_UNREACH: u32 = 0;
const NFT_REJECT_TCP_RST: u32 = 1;

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
const NFTA_REJECT_TYPE: u16 = 1;
const NFTA_REJECT_ICMP_CODE: u16 = 2;
