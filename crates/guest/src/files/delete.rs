//! `delete_file`: files, links and whole trees.

use super::{check_cancelled, failed, resolve};
use protocol::tools::filesystem::PathArgs;
use protocol::{ToolError, ToolErrorCode};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::path::Path;
use tokio_util::sync::CancellationToken;
use types::SandboxUser;

/// Deepest nesting that is deleted. Each level holds a descriptor; paths end at 4,096 bytes anyway.
const MAX_DEPTH: usize = 2048;

/// Deletes a file, a link (not what it points to) or a directory with all in it.
pub fn delete_file(user: SandboxUser, args: &PathArgs, cancel: &CancellationToken) -> Result<(), ToolError> {
    let path = resolve(user, &args.path)?;
    // No last component: the root, or a path that ends in `..` and might be it.
    if path.file_name().is_none() {
        return Err(ToolError::invalid(format!("{} names no entry that could be deleted", path.display())));
    }
    delete_tree(&path, cancel)
}

/// Deletes what `path` names, never following a link.
pub(super) fn delete_tree(path: &Path, cancel: &CancellationToken) -> Result<(), ToolError> {
    let doing = |error: Errno| failed("deleting", path)(error.into());
    match unlinkat(CWD, path, AtFlags::empty()) {
        // A directory: Linux says EISDIR, or EPERM/EACCES where it looks at permissions first.
        Err(Errno::ISDIR | Errno::PERM | Errno::ACCESS) => {}
        ended => return ended.map_err(doing),
    }
    if !std::fs::symlink_metadata(path).map_err(failed("deleting", path))?.is_dir() {
        return unlinkat(CWD, path, AtFlags::empty()).map_err(doing);
    }
    empty(path, cancel)?;
    unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(doing)
}

/// Empties a directory, level by level without recursion: how deep it is, the sandbox decides.
fn empty(path: &Path, cancel: &CancellationToken) -> Result<(), ToolError> {
    let doing = |error: Errno| failed("deleting below", path)(error.into());
    let mut levels: Vec<(Dir, CString)> = vec![(open(CWD, path).map_err(doing)?, CString::default())];
    while let Some((directory, _)) = levels.last_mut() {
        check_cancelled(cancel)?;
        let Some(entry) = directory.read() else {
            let name = levels.pop().map(|(_, name)| name).unwrap_or_default();
            let Some((parent, _)) = levels.last() else { break };
            gone(unlinkat(parent.fd().map_err(doing)?, &name, AtFlags::REMOVEDIR)).map_err(doing)?;
            continue;
        };
        let entry = entry.map_err(doing)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let parent = directory.fd().map_err(doing)?;
        match remove_or_enter(parent, name, entry.file_type()) {
            Ok(None) => {}
            Ok(Some(_)) if levels.len() == MAX_DEPTH => {
                let message = format!("{} is nested deeper than {MAX_DEPTH} levels; delete it with a command", path.display());
                return Err(ToolError::new(ToolErrorCode::TooLarge, message));
            }
            Ok(Some(below)) => levels.push((below, name.to_owned())),
            Err(error) => return Err(doing(error)),
        }
    }
    Ok(())
}

/// Removes an entry, or opens it when it is a directory that has to be emptied first.
fn remove_or_enter(parent: rustix::fd::BorrowedFd<'_>, name: &CStr, kind: FileType) -> Result<Option<Dir>, Errno> {
    if kind != FileType::Directory {
        match gone(unlinkat(parent, name, AtFlags::empty())) {
            Err(Errno::ISDIR) => {}
            ended => return ended.map(|()| None),
        }
    }
    match open(parent, name) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        // Replaced meanwhile by something that is no directory.
        Err(Errno::NOTDIR | Errno::LOOP) => gone(unlinkat(parent, name, AtFlags::empty())).map(|()| None),
        Err(error) => Err(error),
    }
}

fn open(parent: impl rustix::fd::AsFd, name: impl rustix::path::Arg) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Dir::new(openat(parent, name, flags, Mode::empty())?)
}

/// That somebody else was quicker is as good.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    if result == Err(Errno::NOENT) { Ok(()) } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn delete(path: impl AsRef<Path>) -> Result<(), ToolErrorCode> {
        let args = PathArgs { path: path.as_ref().to_str().unwrap().into() };
        delete_file(SandboxUser::Root, &args, &CancellationToken::new()).map_err(|error| error.code)
    }

    #[test]
    fn trees_go_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("keep");
        fs::create_dir(&keep).unwrap();
        fs::write(keep.join("file"), "").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::write(tree.join("a/b/file"), "").unwrap();
        std::os::unix::fs::symlink(&keep, tree.join("a/link")).unwrap();
        std::os::unix::fs::symlink(&keep, dir.path().join("link")).unwrap();
        assert_eq!(delete(&tree), Ok(()));
        assert_eq!(delete(dir.path().join("link")), Ok(()));
        assert_eq!(delete(keep.join("file")), Ok(()));
        assert_eq!(delete(keep.join("file")), Err(ToolErrorCode::NotFound));
        assert_eq!(fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>(), ["keep"]);
    }

    #[test]
    fn a_deep_tree_goes_too() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d/".repeat(1000));
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(delete(dir.path().join("d")), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_root_is_refused_however_it_is_spelled() {
        for root in ["/", "//", "/.", "/..", "/tmp/..", "/home/../"] {
            assert_eq!(delete(root), Err(ToolErrorCode::InvalidArgument), "{root}");
        }
    }
}
