//! A sandbox's network as seen from inside it. Needs root and a kernel with IPv6.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

use jailer::net::{ADDRESS_V4, ADDRESS_V6, NAMESERVER, NetOptions, SandboxNet, create, create_with, listeners_in};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{getsockopt, sockopt};

/// Longer than anything here takes; reaching it is a failure.
const LIMIT: Duration = Duration::from_secs(3);

/// Runs `f` inside the network, on a thread that ends with it.
fn inside<T: Send>(net: &SandboxNet, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(net.netns.as_fd(), CloneFlags::CLONE_NEWNET).expect("entering (root is needed)");
                f()
            })
            .join()
            .expect("the thread inside")
    })
}

fn with_ipv6() -> SandboxNet {
    create_with(&NetOptions { ipv6: true, allow: vec!["10.9.0.0/16".parse().unwrap(), "fd99::/16".parse().unwrap()] }).expect("a network")
}

fn connect(to: &str) -> io::Result<TcpStream> {
    let begun = Instant::now();
    let result = TcpStream::connect_timeout(&to.parse().unwrap(), LIMIT);
    assert!(begun.elapsed() < LIMIT / 2, "{to} took {:?}", begun.elapsed());
    result
}

fn wait_readable(fd: &OwnedFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::try_from(LIMIT).unwrap()), Ok(1), "nothing arrived");
}

fn own_namespace() -> u64 {
    std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

#[test]
fn the_caller_stays_where_it_was() {
    let before = own_namespace();
    let net = create().expect("a network");
    listeners_in(net.netns.as_fd()).expect_err("the ports are taken");
    assert_eq!(own_namespace(), before);
    assert_ne!(inside(&net, own_namespace), before);
}

#[test]
fn connects_arrive_with_the_address_they_were_meant_for() {
    let net = with_ipv6();
    let [tcp_v4, tcp_v6, ..] = &net.listeners;
    for to in ["93.184.216.34:80", "8.8.8.8:53", "10.9.1.2:443", "[::ffff:9.9.9.9]:99"] {
        let client = inside(&net, || connect(to)).expect(to);
        wait_readable(tcp_v4);
        let (served, _) = TcpListener::from(tcp_v4.try_clone().unwrap()).accept().unwrap();
        let meant = getsockopt(&served, sockopt::OriginalDst).unwrap();
        let meant = SocketAddr::new(Ipv4Addr::from(u32::from_be(meant.sin_addr.s_addr)).into(), u16::from_be(meant.sin_port));
        let to: SocketAddr = to.parse().unwrap();
        assert_eq!(meant, SocketAddr::new(to.ip().to_canonical(), to.port()));
        assert_eq!(client.local_addr().unwrap().ip().to_canonical(), IpAddr::from(ADDRESS_V4));
        exchange(client, served);
    }
    for to in ["[2606:2800:220:1::1]:80", "[fd99::5]:53", "[64:ff9b::1.2.3.4]:25"] {
        let client = inside(&net, || connect(to)).expect(to);
        wait_readable(tcp_v6);
        let (served, _) = TcpListener::from(tcp_v6.try_clone().unwrap()).accept().unwrap();
        let meant: libc::sockaddr_in6 = getsockopt(&served, sockopt::Ip6tOriginalDst).unwrap();
        let meant = SocketAddr::new(Ipv6Addr::from(meant.sin6_addr.s6_addr).into(), u16::from_be(meant.sin6_port));
        assert_eq!(meant, to.parse().unwrap());
        assert_eq!(client.local_addr().unwrap().ip(), IpAddr::from(ADDRESS_V6));
        exchange(client, served);
    }
}

/// One byte each way.
fn exchange(mut a: TcpStream, mut b: TcpStream) {
    b.set_nonblocking(false).unwrap();
    let mut byte = [0];
    a.write_all(b"x").unwrap();
    b.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    b.write_all(b"y").unwrap();
    a.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"y");
}

#[test]
fn one_source_port_serves_two_destinations() {
    let net = with_ipv6();
    inside(&net, || {
        let from = "192.0.0.8:5000";
        let clients: Vec<_> = ["1.1.1.1:80", "1.0.0.1:80"].map(|to| bound_connect(from, to)).into_iter().collect();
        let listener = TcpListener::from(net.listeners[0].try_clone().unwrap());
        for client in &clients {
            wait_readable(&net.listeners[0]);
            let (served, _) = listener.accept().unwrap();
            let meant = getsockopt(&served, sockopt::OriginalDst).unwrap();
            let meant = IpAddr::from(Ipv4Addr::from(u32::from_be(meant.sin_addr.s_addr)));
            assert_eq!(client.peer_addr().unwrap().ip(), meant);
        }
    });
}

fn bound_connect(from: &str, to: &str) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket};
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
    bind(fd.as_raw_fd(), &from.parse::<SockaddrIn>().unwrap()).unwrap();
    connect(fd.as_raw_fd(), &to.parse::<SockaddrIn>().unwrap()).unwrap();
    fd.into()
}

#[test]
fn what_is_never_allowed_is_refused_at_once() {
    let net = with_ipv6();
    for to in [
        "0.1.2.3:80",
        "10.1.2.3:80",
        "100.100.100.200:80",
        "169.254.169.254:80",
        "172.16.0.1:80",
        "192.168.0.1:80",
        "192.0.0.1:80",
        "[::2]:80",
        "[fd00:ec2::254]:80",
        "[::ffff:10.1.2.3]:80",
        // Nobody listens there.
        "127.0.0.1:80",
        "[::1]:80",
        "192.0.0.8:80",
    ] {
        let error = inside(&net, || connect(to)).expect_err(to);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{to}: {error}");
    }
    for to in ["224.0.0.1:80", "240.0.0.1:80", "255.255.255.255:80"] {
        inside(&net, || connect(to)).expect_err(to);
    }
}

#[test]
fn dns_to_any_server_arrives_and_other_datagrams_are_refused() {
    let net = with_ipv6();
    for (to, ours) in [
        (format!("{NAMESERVER}:53"), &net.listeners[2]),
        ("10.0.0.1:53".into(), &net.listeners[2]),
        ("[2001:4860:4860::8888]:53".into(), &net.listeners[3]),
    ] {
        let client = inside(&net, || udp(&to));
        client.send(b"question").unwrap();
        wait_readable(ours);
        let ours = UdpSocket::from(ours.try_clone().unwrap());
        let mut buffer = [0; 16];
        let (length, from) = ours.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"question");
        ours.send_to(b"answer", from).unwrap();
        let length = client.recv(&mut buffer).expect("the answer, from the address that was asked");
        assert_eq!(&buffer[..length], b"answer");
    }
    for to in ["8.8.8.8:443", "[2001:4860:4860::8888]:443", "10.0.0.1:123"] {
        let client = inside(&net, || udp(to));
        assert_eq!(client.send(b"hello").unwrap_err().kind(), ErrorKind::PermissionDenied, "{to}");
    }
}

fn udp(to: &str) -> UdpSocket {
    let socket = UdpSocket::bind(if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

#[test]
fn root_of_a_user_namespace_inside_changes_nothing() {
    let net = with_ipv6();
    let attempt = |command: &str| {
        let run = || Command::new("unshare").args(["--user", "--map-root-user", "sh", "-c", command]).output().expect("unshare");
        inside(&net, run)
    };
    assert!(attempt("test $(id -u) = 0 && ip link show lo").status.success(), "the control");
    for command in ["ip link set lo down", "ip addr del 192.0.0.8/32 dev lo", "ip route del local default table local", "nft flush ruleset"]
    {
        let done = attempt(command);
        assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("not permitted"), "{command}: {done:?}");
    }
    inside(&net, || connect("1.1.1.1:80")).expect("all is as it was");
}

#[test]
fn without_ipv6_a_connect_over_it_fails_at_once() {
    let net = create_with(&NetOptions::default()).expect("a network");
    let error = inside(&net, || connect("[2606:2800:220:1::1]:80")).expect_err("no route");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[test]
fn programs_inside_serve_each_other_on_any_port() {
    let net = with_ipv6();
    inside(&net, || {
        for at in ["127.0.0.1:80", "127.1.2.3:62001", "192.0.0.8:443", "[::1]:80"] {
            let server = TcpListener::bind(at).expect(at);
            let client = connect(at).expect(at);
            exchange(client, server.accept().unwrap().0);
        }
    });
}

#[test]
fn listeners_can_be_made_anew_once_the_old_ones_are_gone() {
    let SandboxNet { netns, listeners } = with_ipv6();
    let lingering = {
        let net = SandboxNet { netns: netns.try_clone().unwrap(), listeners };
        let client = inside(&net, || connect("1.1.1.1:80")).unwrap();
        let (served, _) = TcpListener::from(net.listeners[0].try_clone().unwrap()).accept().unwrap();
        (client, served)
    };
    let net = SandboxNet { listeners: listeners_in(netns.as_fd()).expect("listeners again"), netns };
    drop(lingering);
    let _client = inside(&net, || connect("1.1.1.1:80")).unwrap();
}

/// Prints what a network costs; the figures are for people, the bound only catches a mistake.
#[test]
fn a_network_is_cheap() {
    let median = |name: &str, make: &dyn Fn()| {
        let mut times = [(); 41].map(|()| {
            let begun = Instant::now();
            make();
            begun.elapsed()
        });
        times.sort();
        println!("{name}: fastest {:?}, median {:?}, slowest {:?}", times[0], times[20], times[40]);
        times[20]
    };
    median("a thread with an empty namespace", &|| {
        std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET).expect("a namespace")).join().unwrap();
    });
    let v4 = NetOptions::default();
    let took = median("a network", &|| drop(create_with(&v4).expect("a network")));
    let both = NetOptions { ipv6: true, ..NetOptions::default() };
    median("a network with IPv6", &|| drop(create_with(&both).expect("a network")));
    assert!(took < Duration::from_millis(50));
}
