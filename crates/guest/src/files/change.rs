//! `get_file_change`: what changed below a path since it was last asked about.

use super::{check_cancelled, failed, resolve};
use protocol::tools::filesystem::{ChangeKind, FileChange, FileChangeResult, FileKind, PathArgs};
use protocol::{ToolError, ToolErrorCode};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use types::SandboxUser;

/// Most entries below one watched path.
pub(crate) const MAX_WATCHED: usize = 50_000;
/// Most entries of all watched paths; the path asked about longest ago is forgotten first.
const MAX_TOTAL: usize = 100_000;
/// Most watched paths.
const MAX_PATHS: usize = 64;

/// What every watched path looked like when it was last asked about.
#[derive(Debug, Clone, Default)]
pub struct Watches(Arc<Mutex<VecDeque<Watch>>>);

#[derive(Debug)]
struct Watch {
    user: SandboxUser,
    path: PathBuf,
    seen: Snapshot,
}

type Snapshot = BTreeMap<PathBuf, Mark>;

/// What tells a file's content from an earlier one without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) directory: bool,
    pub(crate) inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Watches {
    /// The changes since the previous call of this user for this path; none on the first, which must find it.
    pub fn get_file_change(&self, user: SandboxUser, args: &PathArgs, cancel: &CancellationToken) -> Result<FileChangeResult, ToolError> {
        let path = resolve(user, &args.path)?;
        let now = snapshot(&path, cancel)?;
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = watches.iter().position(|watch| watch.user == user && watch.path == path);
        let before = known.and_then(|index| watches.remove(index)).map(|watch| watch.seen);
        let changes = match &before {
            Some(before) => changes(before, &now),
            None if now.is_empty() => {
                fs::symlink_metadata(&path).map_err(failed("watching", &path))?;
                Vec::new()
            }
            None => Vec::new(),
        };
        watches.push_back(Watch { user, path, seen: now });
        while watches.len() > MAX_PATHS || watches.iter().map(|watch| watch.seen.len()).sum::<usize>() > MAX_TOTAL {
            watches.pop_front();
        }
        Ok(FileChangeResult { changes })
    }
}

/// Everything below a directory, or the file itself; empty if there is nothing. Links are not followed.
fn snapshot(root: &Path, cancel: &CancellationToken) -> Result<Snapshot, ToolError> {
    let mut seen = Snapshot::new();
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(metadata) => return Ok(Snapshot::from([(root.to_owned(), mark(&metadata))])),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(seen),
        Err(error) => return Err(failed("watching", root)(error)),
    }
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        check_cancelled(cancel)?;
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if seen.len() == MAX_WATCHED {
                let message = format!("there are more than {MAX_WATCHED} entries below {}; watch a smaller directory", root.display());
                return Err(ToolError::new(ToolErrorCode::TooLarge, message));
            }
            if metadata.is_dir() {
                pending.push(entry.path());
            }
            seen.insert(entry.path(), mark(&metadata));
        }
    }
    Ok(seen)
}

/// The mark of what is there now.
pub(crate) fn mark(metadata: &Metadata) -> Mark {
    let directory = metadata.is_dir();
    // A directory changes whenever an entry comes or goes, which is told on its own.
    let (size, modified) = if directory { (0, (0, 0)) } else { (metadata.len(), (metadata.mtime(), metadata.mtime_nsec())) };
    Mark { directory, inode: metadata.ino(), size, modified }
}

/// One change, as it is told.
pub(crate) fn change(event_type: ChangeKind, path: &Path, mark: &Mark) -> FileChange {
    let path_type = if mark.directory { FileKind::Directory } else { FileKind::File };
    FileChange { event_type, path: path.to_string_lossy().into_owned(), path_type }
}

/// What differs between two looks, sorted by path.
pub(crate) fn changes(before: &Snapshot, now: &Snapshot) -> Vec<FileChange> {
    let gone = before.iter().filter(|(path, _)| !now.contains_key(*path)).map(|(path, mark)| change(ChangeKind::Delete, path, mark));
    let here = now.iter().filter_map(|(path, mark)| match before.get(path) {
        None => Some(change(ChangeKind::Create, path, mark)),
        Some(old) if old != mark => Some(change(ChangeKind::Modify, path, mark)),
        Some(_) => None,
    });
    let mut changes: Vec<_> = gone.chain(here).collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let watches = Watches::default();
        let ask = || {
            let args = PathArgs { path: dir.path().to_str().unwrap().into() };
            let result = watches.get_file_change(SandboxUser::Root, &args, &CancellationToken::new()).unwrap();
            let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
            result.changes.iter().map(|c| (c.event_type, name(&c.path), c.path_type)).collect::<Vec<_>>()
        };
        fs::write(dir.path().join("old"), "1").unwrap();
        fs::write(dir.path().join("gone"), "1").unwrap();
        assert_eq!(ask(), [], "the first call sets the baseline");
        assert_eq!(ask(), []);
        fs::write(dir.path().join("old"), "22").unwrap();
        fs::remove_file(dir.path().join("gone")).unwrap();
        fs::create_dir(dir.path().join("new")).unwrap();
        let expected = [
            (ChangeKind::Delete, "gone".to_owned(), FileKind::File),
            (ChangeKind::Create, "new".to_owned(), FileKind::Directory),
            (ChangeKind::Modify, "old".to_owned(), FileKind::File),
        ];
        assert_eq!(ask(), expected);
        assert_eq!(ask(), []);
    }

    #[test]
    fn a_path_that_never_was_is_not_found() {
        let args = PathArgs { path: "/no/such/path".into() };
        let error = Watches::default().get_file_change(SandboxUser::Root, &args, &CancellationToken::new()).unwrap_err();
        assert_eq!(error.code, ToolErrorCode::NotFound);
    }
}
