//! The real program between sandboxes and a small world. Needs root.

mod lab;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use jailer::net::{NAMESERVER, SandboxNet, TCP_PORT, listeners_in};
use lab::{BIG, Egress, LIMIT, Sandbox, World, inside, question, read_framed, write_framed};

const A: u16 = 1;
const AAAA: u16 = 28;

fn nameserver() -> SocketAddr {
    (NAMESERVER, 53).into()
}

/// The request fails at once, and by a refusal or a reset: nothing times out, nothing looks like an orderly end.
fn check_cut(result: io::Result<String>, what: &str, begun: Instant) {
    let error = result.expect_err(what);
    assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{what}: {error}");
    assert!(begun.elapsed() < LIMIT / 2, "{what} took {:?}", begun.elapsed());
}

#[test]
fn a_server_elsewhere_is_reached_by_address_and_by_name() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("reach");

    assert_eq!(sandbox.fetch((world.world, 80).into(), "/by-address").unwrap(), "hello");
    let (from, path) = world.seen.recv_timeout(LIMIT).unwrap();
    assert_eq!((from.ip().to_canonical(), path.as_str()), (world.host.into(), "/by-address"));

    let answer = sandbox.ask(nameserver(), &question(7, "www.test", A)).unwrap();
    assert_eq!(answer[..2], [0, 7]);
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(&answer[answer.len() - 4..]).unwrap());
    assert_eq!(sandbox.fetch((address, 80).into(), "/by-name").unwrap(), "hello");
    assert_eq!(world.seen.recv_timeout(LIMIT).unwrap().1, "/by-name");

    assert_eq!(sandbox.fetch((world.world_v6, 80).into(), "/by-ipv6").unwrap(), "hello");
    let (from, path) = world.seen.recv_timeout(LIMIT).unwrap();
    assert_eq!((from.ip(), path.as_str()), (world.host_v6.into(), "/by-ipv6"));
}

#[test]
fn the_host_and_what_is_private_are_refused() {
    let world = World::new();
    // Everything opened that can be: what is refused now no setting opens. The sandbox's own rules still refuse some.
    let open = Egress::beside_with(&world, &["--allow", "0.0.0.0/0", "--allow", "::/0"]);
    let sandbox = open.sandbox("host");
    let server = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let accepts = std::thread::spawn(move || {
        let peer = server.accept().unwrap().1;
        server.set_nonblocking(true).unwrap();
        (peer, server)
    });

    let mut hosts = host_addresses();
    assert!(hosts.contains(&world.host.into()) && hosts.contains(&world.host_v6.into()), "{hosts:?}");
    hosts.retain(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    hosts.extend(["127.0.0.2", "0.0.0.0", "169.254.169.254", "::1", "10.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    let mapped: Vec<IpAddr> =
        hosts.iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4.to_ipv6_mapped().into()) } else { None }).collect();
    let translated: Vec<IpAddr> = hosts.iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(nat64(*v4)) } else { None }).collect();
    for ip in hosts.into_iter().chain(mapped).chain(translated) {
        let begun = Instant::now();
        check_cut(sandbox.fetch((ip, port).into(), "/"), &ip.to_string(), begun);
    }
    for to in [format!("127.0.0.1:{TCP_PORT}"), format!("[::1]:{TCP_PORT}")] {
        let begun = Instant::now();
        check_cut(sandbox.fetch(to.parse().unwrap(), "/"), "the listener itself", begun);
    }
    // Where to, it says only in a packet that the kernel never makes from a mapped address.
    let strict = Egress::start(&[]);
    let sandbox = strict.sandbox("strict");
    let begun = Instant::now();
    check_cut(sandbox.fetch((world.world, 80).into(), "/"), "documentation addresses, not opened", begun);

    // The control: the server was there all the time, and nobody but the host came to it.
    let own = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (peer, server) = accepts.join().unwrap();
    assert_eq!((peer.ip().to_canonical(), peer.port()), (Ipv4Addr::LOCALHOST.into(), own.local_addr().unwrap().port()));
    assert_eq!(server.accept().expect_err("nobody else").kind(), ErrorKind::WouldBlock);
    assert!(world.seen.try_recv().is_err());
}

fn nat64(ip: Ipv4Addr) -> IpAddr {
    let [a, b] = [ip.to_bits() >> 16, ip.to_bits() & 0xffff].map(|half| half as u16);
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b).into()
}

fn host_addresses() -> Vec<IpAddr> {
    let shown = Command::new("ip").args(["-o", "addr"]).output().expect("iproute2");
    let text = String::from_utf8(shown.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().nth(3)?.split('/').next()?.parse().ok()).collect()
}

#[test]
fn what_fails_outside_fails_inside() {
    let world = World::new();
    let egress = Egress::beside_with(&world, &["--dial-timeout", "0.3"]);
    let sandbox = egress.sandbox("fails");
    let begun = Instant::now();
    check_cut(sandbox.fetch((world.world, 81).into(), "/"), "a closed port", begun);
    check_cut(sandbox.fetch((world.world, 80).into(), "/reset"), "a reset half-way", begun);
    // Nobody has this address: its neighbour is asked for in vain.
    let [a, b, c, d] = world.world.octets();
    let silent = Ipv4Addr::new(a, b, c, d + 1);
    let begun = Instant::now();
    check_cut(sandbox.fetch((silent, 80).into(), "/"), "nobody", begun);
}

#[test]
fn one_direction_may_end_before_the_other() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("half");
    let mut stream = sandbox.connect((world.world, 80).into()).unwrap();
    stream.write_all(b"POST /after HTTP/1.0\r\n").unwrap();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "100000 bytes");
}

#[test]
fn a_big_download_is_whole_and_quick() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("big");
    let begun = Instant::now();
    let answer = sandbox.fetch((world.world, 80).into(), "/big").unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{:.0} MB/s", BIG as f64 / 1e6 / seconds);
    assert_eq!(answer.len(), BIG);
    assert!(seconds < 10.0);
}

#[test]
fn remove_cuts_what_is_open_and_refuses_the_rest() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let (gone, stays) = (egress.sandbox("gone"), egress.sandbox("stays"));
    let open = |sandbox: &Sandbox| {
        let mut stream = sandbox.connect((world.world, 80).into()).unwrap();
        stream.write_all(b"GET /stay HTTP/1.0\r\n").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream
    };
    let (mut cut, mut kept) = (open(&gone), open(&stays));
    egress.remove(&gone.id);
    assert_eq!(cut.read(&mut [0]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    check_cut(gone.fetch((world.world, 80).into(), "/"), "a new connection", Instant::now());
    kept.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(kept.read(&mut [0]).expect_err("nothing yet").kind(), ErrorKind::WouldBlock);
    assert_eq!(stays.fetch((world.world, 80).into(), "/").unwrap(), "hello");
}

#[test]
fn a_sandbox_outlives_the_egress_process() {
    let world = World::new();
    let mut first = Egress::beside(&world);
    let sandbox = first.sandbox("outlives");
    assert_eq!(sandbox.fetch((world.world, 80).into(), "/").unwrap(), "hello");
    let open = sandbox.connect((world.world, 80).into()).unwrap();
    first.hang_up();
    assert!(first.child.wait().unwrap().success(), "the end of the starter is an orderly end");
    check_cut(sandbox.fetch((world.world, 80).into(), "/"), "nobody serves it", Instant::now());

    let second = Egress::beside(&world);
    let listeners = listeners_in(sandbox.netns.as_fd()).expect("listeners again");
    second.add(&sandbox.id, SandboxNet { netns: sandbox.netns.try_clone().unwrap(), listeners });
    assert_eq!(sandbox.fetch((world.world, 80).into(), "/").unwrap(), "hello");
    drop(open);
}

#[test]
fn a_sandbox_has_no_more_connections_than_it_may() {
    let world = World::new();
    let egress = Egress::beside_with(&world, &["--connections", "3"]);
    let (greedy, modest) = (egress.sandbox("greedy"), egress.sandbox("modest"));
    let open = || -> io::Result<TcpStream> {
        let mut stream = greedy.connect((world.world, 80).into())?;
        stream.write_all(b"GET /stay HTTP/1.0\r\n")?;
        stream.read_exact(&mut [0; 5])?;
        Ok(stream)
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| open().unwrap()).collect();
    check_cut(open().map(|_| String::new()), "the fourth", Instant::now());
    assert_eq!(modest.fetch((world.world, 80).into(), "/").unwrap(), "hello");
    // The place of one that has ended is free again.
    let ended = held.pop().unwrap();
    ended.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&ended).read(&mut [0]).unwrap(), 0);
    let begun = Instant::now();
    while open().is_err() {
        assert!(begun.elapsed() < LIMIT, "the place was not freed");
    }
}

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

#[test]
fn a_dead_nameserver_is_passed_over() {
    let world = World::new();
    // Its port is closed; it is silent; it works.
    let dns = |host: Ipv4Addr| format!("{host}:53");
    let [a, b, c, d] = world.world.octets();
    let silent = dns(Ipv4Addr::new(a, b, c, d + 1));
    let egress = Egress::start(&["--dns", "127.0.0.1:1", "--dns", &silent, "--dns", &dns(world.world), "--dns-timeout", "0.2"]);
    let sandbox = egress.sandbox("dead");
    for _ in 0..2 {
        let answer = sandbox.ask(nameserver(), &question(1, "www.test", A)).unwrap();
        assert_eq!(answer[answer.len() - 4..], world.world.octets());
    }
    let begun = Instant::now();
    let failed = sandbox.ask(nameserver(), &question(2, "mute.test", A)).unwrap();
    assert_eq!(failed[3] & 15, 2, "server failure");
    assert!(begun.elapsed() < LIMIT / 2);
}

#[test]
fn without_nameservers_questions_fail_at_once() {
    let egress = Egress::start(&["--resolv-conf", "/nowhere/resolv.conf"]);
    let sandbox = egress.sandbox("nameless");
    let failed = sandbox.ask(nameserver(), &question(1, "www.test", A)).unwrap();
    assert_eq!(failed[3] & 15, 2, "server failure");
}

#[test]
fn it_does_not_run_as_root() {
    let mut egress = Egress::start_as(0, &[]);
    assert!(!egress.child.wait().unwrap().success());
}

#[test]
fn the_world_is_not_reached_around_egress() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("around");
    let ping = inside(sandbox.netns.as_fd(), || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"hello", (world.world, 9))
    });
    assert_eq!(ping.expect_err("datagrams end here").kind(), ErrorKind::PermissionDenied);
    egress.remove(&sandbox.id);
}
