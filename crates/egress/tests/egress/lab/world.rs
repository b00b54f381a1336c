//! Hosts behind a veth. Their namespace has no name, so that the kernel takes it and the veth away when the test's process
//! ends in whatever way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, SyncSender};

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};

use super::{inside, read_framed, write_framed};

/// Bytes that `/big` answers with.
pub(crate) const BIG: usize = 256 << 20;

/// Hosts that are not this one.
pub(crate) struct World {
    pub(crate) host: Ipv4Addr,
    pub(crate) world: Ipv4Addr,
    pub(crate) host_v6: Ipv6Addr,
    pub(crate) world_v6: Ipv6Addr,
    /// Each request that the world's web server saw: who asked, and for what.
    pub(crate) seen: Receiver<(SocketAddr, String)>,
    near: String,
    _place: UnixListener,
}

impl World {
    pub(crate) fn new() -> Self {
        let (place, n) = free_place();
        let host = Ipv4Addr::new(198, 51, 100, 4 * n + 1);
        let world = Ipv4Addr::new(198, 51, 100, 4 * n + 2);
        let (host_v6, world_v6) = (v6(n, 1), v6(n, 2));
        let netns: OwnedFd = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (root is needed)");
            File::open("/proc/thread-self/ns/net").unwrap().into()
        })
        .join()
        .unwrap();
        let near = format!("rse{}h{n}", std::process::id() % 1_000_000);
        let there = format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd());
        ip(&format!("link add {near} type veth peer name far netns {there}"));
        ip(&format!("addr add {host}/30 dev {near}"));
        ip(&format!("-6 addr add {host_v6}/64 dev {near} nodad"));
        ip(&format!("link set {near} up"));
        let (sender, seen) = mpsc::sync_channel(1024);
        inside(netns.as_fd(), || {
            ip("link set lo up");
            ip(&format!("addr add {world}/30 dev far"));
            ip(&format!("-6 addr add {world_v6}/64 dev far nodad"));
            ip("link set far up");
            serve_web(TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80)).unwrap(), sender);
            serve_names(world);
        });
        Self { host, world, host_v6, world_v6, seen, near, _place: place }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The kernel does it too, but not before this process ends: the servers wait for connections inside.
        let _ = Command::new("ip").args(["link", "del", &self.near]).status();
    }
}

/// A number of which no other test has the addresses now, whatever process it runs in. An abstract name serves as a lock
/// that leaves nothing behind.
fn free_place() -> (UnixListener, u8) {
    let lock = |n: u8| {
        let name = format!("roadstead-egress-test-{n}");
        UnixListener::bind_addr(&UnixAddr::from_abstract_name(name).unwrap())
    };
    (0..63).find_map(|n| Some((lock(n).ok()?, n))).expect("less than 63 tests at once")
}

fn v6(n: u8, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xe, n.into(), 0, 0, 0, host)
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2");
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// `/` says hello, `/big` sends many bytes, `/after` answers only when the client has said all, `/reset` answers half and
/// resets, `/stay` says hello and then waits for the client to end.
fn serve_web(listener: TcpListener, seen: SyncSender<(SocketAddr, String)>) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen) = (stream.unwrap(), seen.clone());
            std::thread::spawn(move || answer(stream, &seen));
        }
    });
}

fn answer(mut stream: TcpStream, seen: &SyncSender<(SocketAddr, String)>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("").to_owned();
    let _ = seen.send((stream.peer_addr()?, path.clone()));
    match path.as_str() {
        "/big" => {
            let chunk = vec![b'x'; 1 << 16];
            for _ in 0..BIG / chunk.len() {
                stream.write_all(&chunk)?;
            }
        }
        "/after" => {
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest)?;
            write!(stream, "{} bytes", rest.len())?;
        }
        "/reset" => {
            stream.write_all(b"half")?;
            setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        }
        "/stay" => {
            stream.write_all(b"hello")?;
            reader.read_to_end(&mut Vec::new())?;
        }
        _ => {
            stream.write_all(b"hello")?;
            stream.shutdown(Shutdown::Write)?;
            reader.read_to_end(&mut Vec::new())?;
        }
    }
    Ok(())
}

/// Every name has `address` and nothing else; what begins with "big" is told over TCP alone, "mute" never.
fn serve_names(address: Ipv4Addr) {
    let reply = move |question: &[u8], tcp: bool| {
        let first = question.get(13..16).unwrap_or(b"");
        if first == b"mut" {
            return None;
        }
        let mut reply = question.to_vec();
        reply[2..4].copy_from_slice(&[0x81, 0x80]);
        if first == b"big" && !tcp {
            reply[2] |= 2;
            return Some(reply);
        }
        if question[question.len() - 4..] != [0, 1, 0, 1] {
            return Some(reply);
        }
        reply[7] = 1;
        reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
        reply.extend_from_slice(&address.octets());
        Some(reply)
    };
    let udp = UdpSocket::bind((address, 53)).unwrap();
    let tcp = TcpListener::bind((address, 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            if let Some(reply) = reply(&buffer[..length], false) {
                let _ = udp.send_to(&reply, from);
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().map_while(Result::ok) {
            while let Ok(question) = read_framed(&mut stream) {
                let Some(reply) = reply(&question, true) else { break };
                let _ = write_framed(&mut stream, &reply);
            }
        }
    });
}
