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
    // SAFETY: the child only calls pause, and is killed below.
    match unsafe { sys::clone(sys::Clone { flags: libc::CLONE_NEWUSER, cgroup: None }) }? {
        Side::Child => loop {
            // SAFETY: takes nothing and touches nothing.
            unsafe { libc::pause() };
        },
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
}
