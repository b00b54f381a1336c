//! Ranges of 65,536 host uids, one per sandbox, never shared by two starters of a host.
//!
//! Ranges are taken in blocks of 64. A block is a locked file in a directory that all starters use; the lock goes with
//! its holder, however it ends.

use super::sys::{self, Side};
use nix::fcntl::{Flock, FlockArg};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Ids in a range: all that a 16-bit world knows.
pub(crate) const RANGE: u32 = 65_536;
/// The first id of the first range; below lie people, services and other container managers.
const FIRST: u32 = 0x7000_0000;
const PER_BLOCK: u32 = 64;
/// The 64th block would reach into the ids that systemd keeps for foreign file systems.
const BLOCKS: u32 = 63;

/// Why there is no range.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RangeError {
    /// Others hold them all.
    #[error("all {} uid ranges of this host are in use", BLOCKS * PER_BLOCK)]
    Exhausted,
    /// The shared directory or a user namespace failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// The cause.
        source: io::Error,
    },
}

/// The ranges this starter holds.
#[derive(Debug)]
pub(crate) struct UidRanges {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blocks: Vec<Flock<File>>,
    next_block: u32,
    free: VecDeque<Range>,
}

#[derive(Debug)]
struct Range {
    base: u32,
    /// Made when first needed: a user namespace that maps 0.. to this range, for idmapped mounts.
    map: Option<OwnedFd>,
}

/// A range in use; it goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<UidRanges>,
    range: Option<Range>,
}

impl UidRanges {
    /// Ranges locked in `dir`, which all starters of the host share.
    pub(crate) fn new(dir: &Path) -> Result<Arc<Self>, RangeError> {
        // Others must pass the parent: the servers' sockets lie in directories beside this one.
        let parent = dir.parent().map_or(Ok(()), |parent| fs::DirBuilder::new().recursive(true).mode(0o755).create(parent));
        let made = parent.and_then(|()| fs::DirBuilder::new().recursive(true).mode(0o700).create(dir));
        made.map_err(|source| RangeError::Io { doing: format!("making {}", dir.display()), source })?;
        Ok(Arc::new(Self { dir: dir.to_owned(), state: Mutex::default() }))
    }

    /// Takes a range, the one longest unused.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Lease, RangeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.free.is_empty() {
            self.grow(&mut state)?;
        }
        let range = state.free.pop_front().ok_or(RangeError::Exhausted)?;
        Ok(Lease { pool: self.clone(), range: Some(range) })
    }

    fn grow(&self, state: &mut State) -> Result<(), RangeError> {
        while state.next_block < BLOCKS {
            let block = state.next_block;
            state.next_block += 1;
            let path = self.dir.join(block.to_string());
            let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            let file = open.map_err(|source| RangeError::Io { doing: format!("opening {}", path.display()), source })?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    state.blocks.push(lock);
                    let bases = (block * PER_BLOCK..(block + 1) * PER_BLOCK).map(|index| FIRST + index * RANGE);
                    state.free.extend(bases.map(|base| Range { base, map: None }));
                    return Ok(());
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {}
                Err((_, errno)) => return Err(RangeError::Io { doing: format!("locking {}", path.display()), source: errno.into() }),
            }
        }
        // The next one asks anew for blocks that others have given back by then.
        state.next_block = 0;
        Err(RangeError::Exhausted)
    }
}

impl Lease {
    /// The first host id.
    pub(crate) fn base(&self) -> u32 {
        self.range.as_ref().map_or(0, |range| range.base)
    }

    /// The line that maps a user namespace to this range.
    pub(crate) fn map_line(&self) -> String {
        format!("0 {} {RANGE}", self.base())
    }

    /// A user namespace with this range's map, for idmapped mounts.
    pub(crate) fn map(&mut self) -> Result<&OwnedFd, RangeError> {
        let line = self.map_line();
        let range = self.range.as_mut().expect("taken out only when the lease is dropped");
        let map = match range.map.take() {
            Some(map) => map,
            None => {
                make_map(&line).map_err(|source| RangeError::Io { doing: "making a user namespace for idmapped layers".into(), source })?
            }
        };
        Ok(range.map.insert(map))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free.extend(self.range.take());
    }
}

/// Makes a user namespace: a child that does nothing is in it just long enough for its map to be written and the
/// namespace to be opened.
fn make_map(line: &str) -> io::Result<OwnedFd> {
    let starter = std::process::id() as libc::pid_t;
    // SAFETY: the child only calls `wait_to_be_killed`, and is killed below.
    match unsafe { sys::clone(sys::Clone { flags: libc::CLONE_NEWUSER, cgroup: None }) }? {
        Side::Child => wait_to_be_killed(starter),
        Side::Parent(pid, pidfd) => {
            let namespace = fs::write(format!("/proc/{pid}/uid_map"), line)
                .and_then(|()| fs::write(format!("/proc/{pid}/gid_map"), line))
                .and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
            sys::kill(pidfd.as_fd())?;
            sys::reap(pidfd.as_fd())?;
            namespace.map(OwnedFd::from)
        }
    }
}

/// The child's life, which ends with the process `parent` at the latest: one that stayed would hold that one's locks for
/// ever.
fn wait_to_be_killed(parent: libc::pid_t) -> ! {
    // SAFETY: async-signal-safe calls with integers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // It may have died before that.
        if libc::getppid() != parent {
            libc::_exit(1);
        }
        loop {
            libc::pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_starters_never_hold_the_same_range() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (UidRanges::new(dir.path()).unwrap(), UidRanges::new(dir.path()).unwrap());
        let mut leases: Vec<_> = (0..100).map(|_| one.take().unwrap()).collect();
        leases.extend((0..100).map(|_| two.take().unwrap()));
        let bases: std::collections::BTreeSet<_> = leases.iter().map(Lease::base).collect();
        assert_eq!(bases.len(), leases.len());
        assert!(bases.iter().all(|base| *base >= FIRST && base + (RANGE - 1) < 0x7FFE_0000));
    }

    #[test]
    fn a_dropped_lease_comes_back_and_a_full_host_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let ranges = UidRanges::new(dir.path()).unwrap();
        let mut leases: Vec<_> = (0..BLOCKS * PER_BLOCK).map(|_| ranges.take().unwrap()).collect();
        assert!(matches!(ranges.take(), Err(RangeError::Exhausted)));
        let base = leases.pop().unwrap().base();
        assert_eq!(ranges.take().unwrap().base(), base);
    }

    #[test]
    fn a_child_that_waits_dies_with_its_parent() {
        // SAFETY: both children make only async-signal-safe calls and end with _exit.
        let Side::Parent(pid, parent) = (unsafe {
            sys::clone(sys::Clone { flags: 0, cgroup: None }).map(|side| match side {
                Side::Child => {
                    let parent = libc::getpid();
                    match sys::clone(sys::Clone { flags: 0, cgroup: None }) {
                        Ok(Side::Child) => wait_to_be_killed(parent),
                        Ok(Side::Parent(..)) => loop {
                            libc::pause();
                        },
                        Err(_) => libc::_exit(1),
                    }
                }
                parent => parent,
            })
        })
        .unwrap() else {
            unreachable!("the child does not return")
        };
        let children = format!("/proc/{pid}/task/{pid}/children");
        let start = std::time::Instant::now();
        let below: libc::pid_t = loop {
            assert!(start.elapsed().as_secs() < 10, "no grandchild");
            match fs::read_to_string(&children).unwrap().trim().parse() {
                Ok(pid) => break pid,
                Err(_) => std::thread::yield_now(),
            }
        };
        let below = sys::pidfd_open(below).unwrap();
        sys::kill(parent.as_fd()).unwrap();
        sys::reap(parent.as_fd()).unwrap();
        let mut poll = [nix::poll::PollFd::new(below.as_fd(), nix::poll::PollFlags::POLLIN)];
        let ended = nix::poll::poll(&mut poll, nix::poll::PollTimeout::from(10_000u16)).unwrap();
        // Not left behind even when this fails.
        sys::kill(below.as_fd()).unwrap();
        assert_eq!(ended, 1, "it outlived its parent");
    }
}
