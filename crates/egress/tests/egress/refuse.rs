//! What a sandbox does not reach.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Instant;

use jailer::net::TCP_PORT;

use crate::lab::{Egress, LIMIT, World, check_cut, inside};

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
    hosts.retain(|ip| match ip {
        // Those of other tests may go at any moment, and then are not the host's.
        IpAddr::V4(v4) => *v4 == world.host || v4.octets()[..3] != world.host.octets()[..3],
        IpAddr::V6(v6) => *v6 == world.host_v6 || v6.segments()[..3] != world.host_v6.segments()[..3] && !v6.is_unicast_link_local(),
    });
    hosts.extend(["127.0.0.2", "0.0.0.0", "169.254.169.254", "::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
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
    let strict = Egress::start(&[]);
    let strictly = strict.sandbox("strict");
    for ip in ["10.0.0.1", "100.64.0.1", "172.16.0.1", "192.168.0.1", "198.18.0.1", "64:ff9b::10.0.0.1", "fd00::1"] {
        let begun = Instant::now();
        check_cut(strictly.fetch((ip.parse::<IpAddr>().unwrap(), 80).into(), "/"), ip, begun);
    }

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
fn the_world_is_not_reached_around_egress() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("around");
    let sent = inside(sandbox.netns.as_fd(), || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"hello", (world.world, 9))
    });
    assert_eq!(sent.expect_err("datagrams end here").kind(), ErrorKind::PermissionDenied);
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
