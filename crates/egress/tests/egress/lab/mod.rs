//! What the tests stand on: a world, sandboxes, and a roadstead-egress between them.

mod egress;
mod world;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use jailer::net::NAMESERVER;
use nix::sched::{CloneFlags, setns};

pub(crate) use egress::{Egress, Sandbox};
pub(crate) use world::{BIG, World};

/// Longer than anything takes that works.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

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

/// The request failed at once, and by a refusal or a reset: nothing timed out, nothing looked like an orderly end.
pub(crate) fn check_cut(result: io::Result<String>, what: &str, begun: Instant) {
    let error = result.expect_err(what);
    assert!(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{what}: {error}");
    assert!(begun.elapsed() < LIMIT / 2, "{what} took {:?}", begun.elapsed());
}

/// Types of records.
pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

/// Where sandboxes ask for names.
pub(crate) fn nameserver() -> SocketAddr {
    (NAMESERVER, 53).into()
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
