//! What a sandbox reaches, and how well.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Instant;

use crate::lab::{A, BIG, Egress, LIMIT, World, check_cut, nameserver, question};

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
fn what_fails_outside_fails_inside() {
    let world = World::new();
    let egress = Egress::beside_with(&world, &["--dial-timeout", "1"]);
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

/// Prints what egress costs against the same download without it; the figures are for people.
#[test]
fn a_big_download_is_whole_and_quick() {
    let world = World::new();
    let egress = Egress::beside(&world);
    let sandbox = egress.sandbox("big");
    let download = |name: &str, mut stream: TcpStream| {
        let begun = Instant::now();
        stream.write_all(b"GET /big HTTP/1.0\r\n").unwrap();
        let total = io::copy(&mut BufReader::with_capacity(1 << 17, stream), &mut io::sink()).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        println!("{name}: {:.0} MB/s", total as f64 / 1e6 / seconds);
        assert_eq!(total, BIG as u64);
        assert!(seconds < 20.0);
    };
    download("without egress", TcpStream::connect((world.world, 80)).unwrap());
    download("through egress", sandbox.connect((world.world, 80).into()).unwrap());
}
