//! `get_file_info`.

use super::{failed, resolve};
use protocol::ToolError;
use protocol::tools::filesystem::{FileInfo, FileKind, PathArgs};
use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;
use types::{SandboxUser, Timestamp};

/// Describes what a path leads to.
pub fn get_file_info(user: SandboxUser, args: &PathArgs) -> Result<FileInfo, ToolError> {
    let path = resolve(user, &args.path)?;
    let doing = failed("looking at", &path);
    let metadata = fs::metadata(&path).map_err(&doing)?;
    let modified = metadata.modified().map_err(&doing)?;
    Ok(FileInfo {
        name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        path: path.display().to_string(),
        size: metadata.len(),
        kind: kind(metadata.file_type()),
        mode: metadata.mode() & 0o7777,
        owner: name_of("/etc/passwd", metadata.uid()),
        group: name_of("/etc/group", metadata.gid()),
        created: rfc3339(created(&metadata).unwrap_or(modified)),
        modified: rfc3339(modified),
        accessed: rfc3339(metadata.accessed().map_err(&doing)?),
    })
}

/// The kind as protocol has it.
pub(super) fn kind(file_type: FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Special
    }
}

/// File systems without creation times fail, some answer the epoch.
fn created(metadata: &Metadata) -> Option<SystemTime> {
    metadata.created().ok().filter(|time| *time > SystemTime::UNIX_EPOCH)
}

/// Times outside of years -9999 to 9999 cannot be written in RFC 3339 and stand as the epoch.
fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().to_string()
}

/// The name that `/etc/passwd` or `/etc/group` gives an id, or the number. Read each time: the sandbox may change it.
fn name_of(table: &str, id: u32) -> String {
    let text = fs::read_to_string(table).unwrap_or_default();
    let entry = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    });
    entry.map_or_else(|| id.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_as_the_kernel_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "12345").unwrap();
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        std::os::unix::fs::chown(&path, Some(4_000_123), Some(0)).unwrap();
        let info = get_file_info(SandboxUser::Root, &PathArgs { path: dir.path().join("link").to_str().unwrap().into() }).unwrap();
        assert_eq!((info.name.as_str(), info.size, info.kind), ("link", 5, FileKind::File));
        assert_eq!((info.owner.as_str(), info.group.as_str(), info.mode), ("4000123", "root", 0o644));
        assert!(info.modified.ends_with('Z') && info.modified.contains('T'), "{}", info.modified);
        let root = get_file_info(SandboxUser::Root, &PathArgs { path: "/".into() }).unwrap();
        assert_eq!((root.name.as_str(), root.kind), ("/", FileKind::Directory));
    }
}
