//! The starter's socket: one thread a connection, requests answered in order.

use super::maker::Order;
use super::registry::{Refusal, Registry};
use jailer::fdpass;
use jailer::wire::{Failure, LIST_PAGE, MAX_MESSAGE, Reply, Request, STARTER_PROTOCOL};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr, sockopt};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections at one time; a server uses a few.
const MAX_CONNECTIONS: usize = 256;
/// Socket buffers, bytes; the kernel counts its own overhead in.
const BUFFER: usize = 2 * MAX_MESSAGE;

/// The listening socket.
#[derive(Debug)]
pub(crate) struct Server {
    socket: OwnedFd,
    /// Who may connect, besides root.
    uid: u32,
}

impl Server {
    /// Listens at `path`, where only user `uid` and root can connect.
    pub(crate) fn bind(path: &Path, uid: u32) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = socket::socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        chown(path, Some(uid), None)?;
        socket::listen(&socket, Backlog::new(64)?)?;
        Ok(Self { socket, uid })
    }

    /// Serves until the process ends. `shut_down` is called after the answer to [`Request::Shutdown`].
    pub(crate) fn run(&self, registry: &Arc<Registry>, shut_down: fn()) {
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            let connection = match self.accept() {
                Ok(Some(connection)) => connection,
                Ok(None) => continue,
                Err(error) => {
                    crate::log!("accepting a connection: {error}");
                    // Out of descriptors or memory: until some are given back there is nothing else to do.
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    continue;
                }
            };
            let guard = Counted::new(&open);
            if guard.before >= MAX_CONNECTIONS {
                crate::log!("a connection is refused: {MAX_CONNECTIONS} are open");
                continue;
            }
            let registry = registry.clone();
            let serve = move || {
                let _guard = guard;
                if let Err(error) = converse(&connection, &registry, shut_down) {
                    crate::log!("a connection broke: {error}");
                }
            };
            if let Err(error) = std::thread::Builder::new().name("connection".into()).spawn(serve) {
                crate::log!("a connection is refused: {error}");
            }
        }
    }

    /// A connection, or none if its maker may not connect.
    fn accept(&self) -> io::Result<Option<OwnedFd>> {
        let fd = match socket::accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::ECONNABORTED) => return Ok(None),
            other => other?,
        };
        // SAFETY: accept4 just made this descriptor; nobody else knows it.
        let connection = unsafe { OwnedFd::from_raw_fd(fd) };
        let peer = socket::getsockopt(&connection, sockopt::PeerCredentials)?.uid();
        if peer != self.uid && peer != 0 {
            crate::log!("uid {peer} may not connect");
            return Ok(None);
        }
        socket::setsockopt(&connection, sockopt::SndBufForce, &BUFFER)?;
        Ok(Some(connection))
    }
}

/// Counts itself as long as it lives.
struct Counted {
    count: Arc<AtomicUsize>,
    before: usize,
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        Self { before: count.fetch_add(1, Ordering::SeqCst), count: count.clone() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers requests until the peer is gone.
fn converse(connection: &OwnedFd, registry: &Registry, shut_down: fn()) -> io::Result<()> {
    let mut message = Vec::new();
    let mut greeted = false;
    loop {
        // Descriptors are not part of any request; those that come are closed here.
        if fdpass::recv(connection.as_fd(), &mut message)?.0 == 0 {
            return Ok(());
        }
        let request = serde_json::from_slice(&message);
        let ending = matches!(request, Ok(Request::Shutdown)) && greeted;
        let answer = match request {
            Err(error) => Err((Failure::BadRequest, format!("not a request this starter knows: {error}"))),
            Ok(Request::Hello { .. }) => {
                greeted = true;
                Ok((hello(), None))
            }
            Ok(_) if !greeted => Err((Failure::BadRequest, "the first request on a connection is hello".to_owned())),
            Ok(request) => carry_out(request, registry),
        };
        let (reply, fd) = answer.unwrap_or_else(|(failure, message)| (Reply::Failed { failure, message }, None));
        let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
        fdpass::send(connection.as_fd(), &serde_json::to_vec(&reply)?, &fds)?;
        if ending {
            shut_down();
        }
    }
}

fn hello() -> Reply {
    Reply::Hello { protocol: STARTER_PROTOCOL, pid: std::process::id() as i32, version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn carry_out(request: Request, registry: &Registry) -> Result<(Reply, Option<OwnedFd>), Refusal> {
    let reply = match request {
        Request::Hello { .. } => hello(),
        Request::Images => Reply::Images { images: registry.images() },
        Request::Create { id, image, limits, output } => Reply::Created { facts: registry.create(Order { id, image, limits, output })? },
        Request::Connect { id } => return Ok((Reply::Connected, Some(registry.connect(&id)?))),
        Request::Destroy { id } => {
            registry.destroy(&id)?;
            Reply::Done
        }
        Request::List { after } => Reply::List { sandboxes: registry.list(after.as_ref(), LIST_PAGE) },
        Request::Usage { id } => Reply::Usage { usage: registry.usage(&id)? },
        Request::Shutdown => {
            registry.shut_down()?;
            Reply::Done
        }
    };
    Ok((reply, None))
}
