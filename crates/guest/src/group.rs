//! One cgroup per command, so that everything it started can be ended at once, whatever it forked or `setsid`ed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use types::CallId;

/// How long a killed group may take to empty. Only a process stuck inside the kernel takes longer than milliseconds.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// The delegated directory under which groups are made.
#[derive(Debug)]
pub struct Groups {
    root: PathBuf,
    /// Groups of ended commands in which something still runs. Each holds a process, so their number is bounded by the
    /// sandbox's limit of processes.
    left: Mutex<Vec<PathBuf>>,
}

impl Groups {
    /// `None` when `root` is no cgroup v2 directory.
    pub fn open(root: impl Into<PathBuf>) -> Option<Self> {
        let root = root.into();
        root.join("cgroup.procs").exists().then(|| Self { root, left: Mutex::default() })
    }

    /// An empty group for a call.
    pub fn create(&self, call: &CallId) -> io::Result<Group> {
        let dir = self.root.join(call.as_str());
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Ok(Group { handle: File::open(&dir)?, dir })
    }

    /// Removes a command's group, now or when what the command left in the background has ended.
    pub fn retire(&self, group: Group) {
        if !removed(&group.dir) {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push(group.dir);
        }
    }

    /// Removes retired groups that have become empty.
    pub fn sweep(&self) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).retain(|dir| !removed(dir));
    }
}

/// One command's cgroup.
#[derive(Debug)]
pub struct Group {
    dir: PathBuf,
    handle: File,
}

impl Group {
    /// The open directory, to start a process in.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Processes in it now.
    pub fn members(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills everything in it and waits until nothing is left.
    pub async fn kill(&self) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.kill"), "1")?;
        let events = self.dir.join("cgroup.events");
        tokio::task::spawn_blocking(move || wait_until_empty(&events)).await.map_err(io::Error::other)?
    }
}

fn wait_until_empty(events: &Path) -> io::Result<()> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    let mut file = File::open(events)?;
    loop {
        // Reading re-arms the kernel's notification, so a change after this read ends the poll.
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        if text.lines().any(|line| line == "populated 0") {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn removed(dir: &Path) -> bool {
    match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
