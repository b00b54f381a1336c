//! `list_directory`.

use super::{failed, info::kind, resolve};
use protocol::ToolError;
use protocol::tools::filesystem::{DirectoryEntry, FileKind, ListDirectoryResult, MAX_ENTRIES, PathArgs};
use std::fs::{self, DirEntry};
use types::SandboxUser;

/// The entries of a directory, sorted by name.
pub fn list_directory(user: SandboxUser, args: &PathArgs) -> Result<ListDirectoryResult, ToolError> {
    let path = resolve(user, &args.path)?;
    let doing = failed("listing", &path);
    let mut names = Vec::new();
    let mut truncated = false;
    for entry in fs::read_dir(&path).map_err(&doing)? {
        let entry = entry.map_err(&doing)?;
        if names.len() == MAX_ENTRIES {
            truncated = true;
            break;
        }
        names.push((entry.file_name(), entry));
    }
    names.sort_by(|(a, _), (b, _)| a.cmp(b));
    let entries = names.into_iter().filter_map(|(name, entry)| describe(name.to_string_lossy().into_owned(), &entry)).collect();
    Ok(ListDirectoryResult { entries, truncated })
}

/// `None` when the entry went away meanwhile.
fn describe(name: String, entry: &DirEntry) -> Option<DirectoryEntry> {
    let metadata = entry.metadata().ok()?;
    let mut kind = kind(metadata.file_type());
    if kind == FileKind::Symlink && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) {
        kind = FileKind::Directory;
    }
    let size = if kind == FileKind::Directory { 0 } else { metadata.len() };
    Some(DirectoryEntry { name, kind, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn entries_are_sorted_typed_and_never_fail_the_listing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        fs::write(dir.path().join("file"), "123").unwrap();
        symlink("dir", dir.path().join("to_dir")).unwrap();
        symlink("nowhere", dir.path().join("broken")).unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"bad\xffname")), "").unwrap();
        let result = list_directory(SandboxUser::Root, &PathArgs { path: dir.path().to_str().unwrap().into() }).unwrap();
        let entries: Vec<_> = result.entries.iter().map(|e| (e.name.as_str(), e.kind, e.size)).collect();
        let expected = [
            ("bad\u{fffd}name", FileKind::File, 0),
            ("broken", FileKind::Symlink, 7),
            ("dir", FileKind::Directory, 0),
            ("file", FileKind::File, 3),
            ("to_dir", FileKind::Directory, 0),
        ];
        assert_eq!(entries, expected);
    }
}
