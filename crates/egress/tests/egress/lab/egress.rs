//! The program, and sandboxes whose way out it serves.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use jailer::fdpass;
use jailer::net::{NetOptions, SandboxNet, create_with};
use jailer::wire::EgressOrder;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use types::SandboxId;

use super::{LIMIT, World, inside};

/// No user of this host, it is hoped.
const UID: u32 = 64_444;

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
        // The program is handed over open, because a checkout may lie where this uid cannot go. The shell moves the socket
        // to where the starter puts it.
        let program = File::open(env!("CARGO_BIN_EXE_roadstead-egress")).expect("the program was built");
        let script = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; exec /proc/self/fd/4 \"$@\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh", "--log-level", "warn"])
            .args(arguments)
            .stdin(theirs)
            .stdout(program)
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
        Self::start(&[&["--dns", &dns, "--allow", "198.51.100.0/24", "--allow", "2001:db8:e::/48"], more].concat())
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
