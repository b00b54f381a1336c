//! `move_file`: renames, and where that is impossible copies and deletes.

use super::{delete::delete_tree, failed, resolve};
use crate::files::check_cancelled;
use protocol::tools::filesystem::MoveFileArgs;
use protocol::{ToolError, ToolErrorCode};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use types::SandboxUser;

/// Moves a file or a tree. An existing destination is refused, never replaced.
pub fn move_file(user: SandboxUser, args: &MoveFileArgs, cancel: &CancellationToken) -> Result<(), ToolError> {
    let (source, destination) = (resolve(user, &args.source)?, resolve(user, &args.destination)?);
    match renameat_with(CWD, &source, CWD, &destination, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(exists(&destination)),
        Err(Errno::INVAL) => {
            let message = format!("{} cannot be moved to {}, which lies inside it", source.display(), destination.display());
            Err(ToolError::invalid(message))
        }
        // Another file system, or a directory that comes from the image: the kernel does not rename those.
        Err(Errno::XDEV) => copy_and_delete(&source, &destination, cancel),
        Err(Errno::NOENT) if source.symlink_metadata().is_ok() => {
            let message = format!("the directory of {} does not exist; make it first", destination.display());
            Err(ToolError::new(ToolErrorCode::NotFound, message))
        }
        Err(error) => Err(failed("moving", &source)(error.into())),
    }
}

fn copy_and_delete(source: &Path, destination: &Path, cancel: &CancellationToken) -> Result<(), ToolError> {
    if destination.symlink_metadata().is_ok() {
        return Err(exists(destination));
    }
    let copied = copy_tree(source, destination, cancel);
    // A failed copy leaves the source as it was and nothing at the destination.
    let remove = if copied.is_ok() { source } else { destination };
    let removed = delete_tree(remove, &CancellationToken::new());
    copied.and(removed)
}

/// Copies files, directories and links with their modes. Without recursion: how deep it is, the sandbox decides.
fn copy_tree(source: &Path, destination: &Path, cancel: &CancellationToken) -> Result<(), ToolError> {
    let mut pending: Vec<(PathBuf, PathBuf)> = vec![(source.into(), destination.into())];
    // Modes of directories come last: one that is read-only must be filled first.
    let mut directories = Vec::new();
    while let Some((from, to)) = pending.pop() {
        check_cancelled(cancel)?;
        let doing = failed("copying", &from);
        let metadata = fs::symlink_metadata(&from).map_err(&doing)?;
        if metadata.is_dir() {
            fs::create_dir(&to).map_err(&doing)?;
            for entry in fs::read_dir(&from).map_err(&doing)? {
                let name = entry.map_err(&doing)?.file_name();
                pending.push((from.join(&name), to.join(name)));
            }
            directories.push((to, metadata.permissions()));
        } else if metadata.is_symlink() {
            let target = fs::read_link(&from).map_err(&doing)?;
            std::os::unix::fs::symlink(target, &to).map_err(&doing)?;
        } else if metadata.is_file() {
            copy_file(&from, &to, &metadata).map_err(&doing)?;
        } else {
            let message = format!("{} is a device, socket or pipe, which cannot be moved to another file system", from.display());
            return Err(ToolError::new(ToolErrorCode::WrongFileType, message));
        }
    }
    for (directory, permissions) in directories.into_iter().rev() {
        fs::set_permissions(&directory, permissions).map_err(failed("setting the mode of", &directory))?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    fs::copy(from, to)?;
    let times = fs::FileTimes::new().set_accessed(metadata.accessed()?).set_modified(metadata.modified()?);
    fs::File::open(to)?.set_times(times)
}

fn exists(destination: &Path) -> ToolError {
    ToolError::new(
        ToolErrorCode::AlreadyExists,
        format!("{} exists already; delete it first or choose another name", destination.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn shift(source: &Path, destination: &Path) -> Result<(), ToolErrorCode> {
        let args = MoveFileArgs { source: source.to_str().unwrap().into(), destination: destination.to_str().unwrap().into() };
        move_file(SandboxUser::Root, &args, &CancellationToken::new()).map_err(|error| error.code)
    }

    #[test]
    fn a_destination_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        assert_eq!(shift(&a, &b), Err(ToolErrorCode::AlreadyExists));
        assert_eq!(fs::read(&b).unwrap(), b"b");
        assert_eq!(shift(&a, &dir.path().join("c")), Ok(()));
        assert_eq!(shift(&a, &dir.path().join("d")), Err(ToolErrorCode::NotFound));
        assert_eq!(shift(&b, &dir.path().join("no/such/b")), Err(ToolErrorCode::NotFound));
        assert_eq!(shift(dir.path(), &dir.path().join("inside")), Err(ToolErrorCode::InvalidArgument));
    }

    #[test]
    fn a_tree_is_copied_whole_where_renaming_is_impossible() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("sub/file"), "content").unwrap();
        fs::set_permissions(tree.join("sub/file"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(tree.join("sub"), fs::Permissions::from_mode(0o555)).unwrap();
        std::os::unix::fs::symlink("sub/file", tree.join("link")).unwrap();
        let copy = dir.path().join("copy");
        copy_and_delete(&tree, &copy, &CancellationToken::new()).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read(copy.join("link")).unwrap(), b"content");
        assert_eq!(fs::metadata(copy.join("sub/file")).unwrap().permissions().mode() & 0o777, 0o751);
        assert_eq!(fs::metadata(copy.join("sub")).unwrap().permissions().mode() & 0o777, 0o555);
    }
}
