//! A small internet for tests: a "world" behind a veth, a roadstead-egress, and sandboxes' networks. The world's
//! namespace has no name, so that the kernel takes it and the veth away when the test ends in whatever way. Needs root.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use jailer::fdpass;
use jailer::net::{NetOptions, SandboxNet, create_with};
use jailer::wire::EgressOrder;
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use types::SandboxId;

/// Longer than anything takes that works.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Bytes that `/big` answers with.
pub(crate) const BIG: usize = 256 << 20;

/// No user of this host, it is hoped.
const UID: u32 = 64_444;

/// Runs `f` on a thread in another network namespace.
pub(crate) fn inside<T: Send>(netns: BorrowedFd<'_>, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET).expect("entering a network namespace (root is needed)");
            f()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Hosts that are not this one.
pub(crate) struct World {
    pub(crate) host: Ipv4Addr,
    pub(crate) world: Ipv4Addr,
    pub(crate) host_v6: Ipv6Addr,
    pub(crate) world_v6: Ipv6Addr,
    /// Each request that the world's web server saw: who asked, and for what.
    pub(crate) seen: Receiver<(SocketAddr, String)>,
    near: String,
    _place: Flock<File>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (place, n) = free_place();
        let host = Ipv4Addr::new(203, 0, 113, 4 * n + 1);
        let world = Ipv4Addr::new(203, 0, 113, 4 * n + 2);
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

/// A number of which no other test has the addresses now.
fn free_place() -> (Flock<File>, u8) {
    for n in 0..63 {
        let file = File::create(std::env::temp_dir().join(format!("roadstead-egress-test-{n}.lock"))).unwrap();
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            return (lock, n);
        }
    }
    panic!("63 tests at once");
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
            use nix::sys::socket::{setsockopt, sockopt};
            setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
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

/// Answers every question with `address`; one that begins with "big" only over TCP, "mute" never.
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

/// A running roadstead-egress; dropping it ends it.
pub(crate) struct Egress {
    pub(crate) child: Child,
    control: Option<OwnedFd>,
}

impl Egress {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_as(UID, arguments)
    }

    pub(crate) fn start_as(uid: u32, arguments: &[&str]) -> Self {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        // The shell moves the socket to where the starter puts it.
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 0</dev/null", env!("CARGO_BIN_EXE_roadstead-egress"), "--log-level", "warn"])
            .args(arguments)
            .stdin(theirs)
            .stdout(Stdio::null())
            .uid(uid)
            .gid(uid)
            .spawn()
            .expect("sh");
        Self { child, control: Some(ours) }
    }

    /// One that may reach `world` and asks its nameserver.
    pub(crate) fn beside(world: &World) -> Self {
        Self::beside_with(world, &[])
    }

    pub(crate) fn beside_with(world: &World, more: &[&str]) -> Self {
        let dns = format!("{}:53", world.world);
        Self::start(&[&["--dns", &dns, "--allow", "203.0.113.0/24", "--allow", "2001:db8:e::/48"], more].concat())
    }

    /// A new sandbox whose way out it serves.
    pub(crate) fn sandbox(&self, name: &str) -> Sandbox {
        let net = create_with(&NetOptions { ipv6: true, allow: Vec::new() }).expect("a sandbox's network");
        let sandbox = Sandbox { id: format!("sb-{name}").parse().unwrap(), netns: net.netns.try_clone().unwrap() };
        self.add(&sandbox.id, net);
        sandbox
    }

    pub(crate) fn add(&self, id: &SandboxId, net: SandboxNet) {
        let descriptors: Vec<_> = net.listeners.iter().map(AsFd::as_fd).collect();
        self.order(&EgressOrder::Add { id: id.clone() }, &descriptors);
    }

    pub(crate) fn remove(&self, id: &SandboxId) {
        self.order(&EgressOrder::Remove { id: id.clone() }, &[]);
    }

    fn order(&self, order: &EgressOrder, descriptors: &[BorrowedFd<'_>]) {
        let control = self.control.as_ref().expect("it was not hung up on");
        fdpass::send(control.as_fd(), &serde_json::to_vec(order).unwrap(), descriptors).expect("egress runs");
    }

    /// As if the starter were gone.
    pub(crate) fn hang_up(&mut self) {
        self.control = None;
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The inside of a sandbox, as far as the network goes.
pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    pub(crate) netns: OwnedFd,
}

impl Sandbox {
    pub(crate) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = inside(self.netns.as_fd(), || TcpStream::connect_timeout(&to, LIMIT))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    /// What a web server answers.
    pub(crate) fn fetch(&self, from: SocketAddr, path: &str) -> io::Result<String> {
        let mut stream = self.connect(from)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// What the nameserver `to` answers over UDP; an error if nothing.
    pub(crate) fn ask(&self, to: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = inside(self.netns.as_fd(), || UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.connect(to)?;
        socket.send(question)?;
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// A question for `name`'s records of `kind`.
pub(crate) fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = [&id.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\0"].concat();
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&1u16.to_be_bytes());
    message
}

pub(crate) fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

pub(crate) fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), message].concat())
}
