//! Names.

use std::io::Read;
use std::net::{Ipv4Addr, Shutdown};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Instant;

use jailer::net::NAMESERVER;

use crate::lab::{A, AAAA, Egress, LIMIT, World, inside, nameserver, question, read_framed, write_framed};

#[test]
fn names_are_asked_for_over_both_transports() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("names");
    // Any nameserver's address will do, private ones included.
    for to in ["10.0.0.2:53", "8.8.8.8:53", "[2001:4860:4860::8888]:53"] {
        let answer = sandbox.ask(to.parse().unwrap(), &question(1, "www.test", A)).expect(to);
        assert_eq!(answer[answer.len() - 4..], world.world.octets());
    }
    let cut = sandbox.ask(nameserver(), &question(2, "big.test", A)).unwrap();
    assert_eq!(cut[2] & 2, 2, "the answer was cut, and says so");
    let mut stream = sandbox.connect(nameserver()).unwrap();
    for id in [3, 4] {
        write_framed(&mut stream, &question(id, "big.test", A)).unwrap();
        let answer = read_framed(&mut stream).unwrap();
        assert_eq!((&answer[..2], &answer[answer.len() - 4..]), (&id.to_be_bytes()[..], &world.world.octets()[..]));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);

    let garbage = sandbox.ask(nameserver(), b"\x00\x05\x01\x00\x00\x01garbage").unwrap();
    assert_eq!((garbage[1], garbage[3] & 15), (5, 1), "malformed");
    if !jailer::net::host_has_ipv6().unwrap() {
        let none = sandbox.ask(nameserver(), &question(6, "www.test", AAAA)).unwrap();
        assert_eq!((none[1], none[3] & 15, none[7]), (6, 0, 0), "no error, no answer");
    }
}

/// The C library asks for both kinds of addresses and, with `AI_ADDRCONFIG`, only if the interfaces have some.
#[test]
fn the_c_library_finds_names() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("libc");
    let resolv_conf = std::env::temp_dir().join(format!("roadstead-egress-resolv-{}", std::process::id()));
    std::fs::write(&resolv_conf, format!("nameserver {NAMESERVER}\n")).unwrap();
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec getent ahosts www.test";
    let run = || Command::new("unshare").args(["-m", "sh", "-c", script]).arg(&resolv_conf).output().expect("unshare");
    let found = inside(sandbox.netns.as_fd(), run);
    std::fs::remove_file(&resolv_conf).unwrap();
    let text = String::from_utf8_lossy(&found.stdout);
    assert!(text.starts_with(&world.world.to_string()), "{found:?}");
}

#[test]
fn a_dead_nameserver_is_passed_over() {
    let world = World::new();
    // Its port is closed; it is silent; it works.
    let dns = |host: Ipv4Addr| format!("{host}:53");
    let [a, b, c, d] = world.world.octets();
    let silent = dns(Ipv4Addr::new(a, b, c, d + 1));
    let egress = Egress::start(&["--dns", "127.0.0.1:1", "--dns", &silent, "--dns", &dns(world.world), "--dns-timeout", "0.5"]);
    let sandbox = egress.sandbox("dead");
    for _ in 0..2 {
        let answer = sandbox.ask(nameserver(), &question(1, "www.test", A)).unwrap();
        assert_eq!(answer[answer.len() - 4..], world.world.octets());
    }
    let begun = Instant::now();
    let failed = sandbox.ask(nameserver(), &question(2, "mute.test", A)).unwrap();
    assert_eq!(failed[3] & 15, 2, "server failure");
    assert!(begun.elapsed() < LIMIT);
}

#[test]
fn without_nameservers_questions_fail_at_once() {
    let egress = Egress::start(&["--resolv-conf", "/nowhere/resolv.conf"]);
    let sandbox = egress.sandbox("nameless");
    let failed = sandbox.ask(nameserver(), &question(1, "www.test", A)).unwrap();
    assert_eq!(failed[3] & 15, 2, "server failure");
}
