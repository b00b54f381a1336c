//! Cleaning that nobody waits for: directory trees of ended sandboxes, groups that a dying process still holds.

use super::cgroup::Group;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Jobs that wait at most; what comes when they are that many is found at the next start.
const MAX_WAITING: usize = 8192;
/// How often groups that were busy are tried again: the kernel (cgroup v1) tells nobody when one is free.
const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Job {
    Tree(PathBuf),
    Group(Group),
}

/// Hands jobs to the cleaning thread.
#[derive(Debug)]
pub(crate) struct Janitor {
    trash: PathBuf,
    run: u128,
    next: AtomicU64,
    jobs: SyncSender<Job>,
    waiting: Mutex<Option<Receiver<Job>>>,
}

impl Janitor {
    /// A janitor that keeps what is to be removed in `trash`, beside what it cleans. Work starts with [`Self::run`].
    pub(crate) fn new(trash: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&trash)?;
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(Self { trash, run, next: AtomicU64::new(0), jobs, waiting: Mutex::new(Some(waiting)) })
    }

    /// Moves a directory out of the way at once; it is removed later.
    pub(crate) fn discard(&self, dir: &Path) {
        let target = self.fresh_name();
        match fs::rename(dir, &target) {
            Ok(()) => self.submit(Job::Tree(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => crate::log!("moving {} away: {error}", dir.display()),
        }
    }

    /// Removes a sandbox's groups, now if that goes, else when the last process has left them.
    pub(crate) fn retire(&self, group: Group) {
        if !group.remove() {
            group.kill();
            self.submit(Job::Group(group));
        }
    }

    /// What an earlier starter left in the trash.
    pub(crate) fn take_up_leftovers(&self) {
        for entry in fs::read_dir(&self.trash).into_iter().flatten().flatten() {
            self.submit(Job::Tree(entry.path()));
        }
    }

    /// A name that nothing in the trash has, left-overs of earlier starters included.
    fn fresh_name(&self) -> PathBuf {
        self.trash.join(format!("{}.{}", self.run, self.next.fetch_add(1, Ordering::Relaxed)))
    }

    fn submit(&self, job: Job) {
        if let Err(error) = self.jobs.try_send(job) {
            crate::log!("too much to clean, left for the next start: {error}");
        }
    }

    /// Cleans until the process ends.
    pub(crate) fn run(&self) {
        let Some(jobs) = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() else { return };
        let mut busy: Vec<Group> = Vec::new();
        loop {
            let job = if busy.is_empty() { jobs.recv().map_err(|_| RecvTimeoutError::Disconnected) } else { jobs.recv_timeout(RETRY) };
            match job {
                Ok(Job::Group(group)) => busy.push(group),
                Ok(Job::Tree(path)) => self.remove_tree(path),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            busy.retain(|group| !group.remove());
        }
    }

    /// Removes what a sandbox wrote. It may have nested directories deeper than any stack or table of descriptors goes,
    /// so each directory found is first moved up beside the others. No symbolic link is followed.
    fn remove_tree(&self, root: PathBuf) {
        let mut dirs = vec![root];
        while let Some(dir) = dirs.pop() {
            let emptied = fs::read_dir(&dir).and_then(|entries| {
                for entry in entries {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        let target = self.fresh_name();
                        fs::rename(entry.path(), &target)?;
                        dirs.push(target);
                    } else {
                        fs::remove_file(entry.path())?;
                    }
                }
                Ok(())
            });
            if let Err(error) = emptied.and_then(|()| fs::remove_dir(&dir)) {
                crate::log!("removing {}: {error}", dir.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discarded_tree_is_out_of_the_way_at_once_and_gone_later() {
        let dir = tempfile::tempdir().unwrap();
        let janitor = std::sync::Arc::new(Janitor::new(dir.path().join("trash")).unwrap());
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("deep/er")).unwrap();
        fs::write(tree.join("deep/file"), "x").unwrap();
        std::os::unix::fs::symlink("/", tree.join("deep/root")).unwrap();
        janitor.discard(&tree);
        assert!(!tree.exists());
        let leftover = fs::read_dir(&janitor.trash).unwrap().next().unwrap().unwrap().path();
        let worker = janitor.clone();
        std::thread::spawn(move || worker.run());
        let start = std::time::Instant::now();
        while leftover.exists() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }
}
