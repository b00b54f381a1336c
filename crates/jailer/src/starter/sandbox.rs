//! Everything a sandbox holds while it lives.

use super::cgroup::{CgroupError, Group};
use super::janitor::Janitor;
use super::overlay::Upper;
use super::sys;
use super::uid_ranges::Lease;
use super::usage::Meter;
use jailer::wire::Facts;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A sandbox. Dropping it kills it and cleans up after it, in the order of the fields.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// What is known of it.
    pub(crate) facts: Facts,
    pub(super) child: Child,
    /// Its control socket, `O_PATH`.
    pub(super) control: OwnedFd,
    pub(super) _group: Grouped,
    pub(super) _upper: Upper,
    pub(super) _lease: Lease,
}

impl Sandbox {
    /// Readable when the first process has ended, and with it all others.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }

    /// Kills its first process, and with it all others.
    pub(crate) fn kill(&self) -> io::Result<()> {
        sys::kill(self.pidfd())
    }

    /// A connection to the guest. Never waits: a guest that does not accept is an error.
    pub(crate) fn connect(&self) -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let connection = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        // The descriptor names the very socket that the child made: no path of the sandbox's is looked up.
        let path = format!("/proc/self/fd/{}", self.control.as_raw_fd());
        socket::connect(connection.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
        Ok(connection)
    }

    /// Where to read what it uses; none for one without groups.
    pub(crate) fn meter(&self) -> Option<Meter> {
        let group = self._group.group.as_ref()?.gauges();
        Some(Meter { group, upper: self._upper.path().to_owned() })
    }

    /// Its network namespace.
    pub(crate) fn netns(&self) -> io::Result<File> {
        // The child is not reaped while this value lives, so the pid is still its own.
        File::open(format!("/proc/{}/ns/net", self.child.pid))
    }
}

/// The first process; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: OwnedFd,
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Err(error) = sys::kill(self.pidfd.as_fd()).and_then(|()| sys::reap(self.pidfd.as_fd())) {
            crate::log!("ending process {}: {error}", self.pid);
        }
    }
}

/// A sandbox's groups; removed when dropped.
#[derive(Debug)]
pub(crate) struct Grouped {
    group: Option<Group>,
    janitor: Arc<Janitor>,
}

impl Grouped {
    /// Hands `group` to `janitor` in the end.
    pub(crate) fn new(group: Group, janitor: Arc<Janitor>) -> Self {
        Self { group: Some(group), janitor }
    }

    /// What a child joins by: the v2 directory and the v1 `tasks` files, once.
    pub(super) fn open(&mut self) -> Result<(Option<File>, Vec<File>), CgroupError> {
        match &mut self.group {
            Some(group) => Ok((Some(group.open_v2()?), group.take_tasks())),
            None => Ok((None, Vec::new())),
        }
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            self.janitor.retire(group);
        }
    }
}
