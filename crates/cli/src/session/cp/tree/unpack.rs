//! A tar stream from a session as a tree here. The session is not trusted: nothing is written outside of the tree, no
//! special file is made, no program gets its owner's rights.

use super::fresh_name;
use crate::failure::Failure;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType};

/// Where a tree goes: at its place when there is one, else beside it until it is whole.
pub(super) struct Target {
    root: PathBuf,
    place: PathBuf,
    is_new: bool,
}

impl Target {
    pub(super) fn new(place: &Path) -> Result<Self, Failure> {
        if place.is_dir() {
            return Ok(Self { root: place.to_owned(), place: place.to_owned(), is_new: false });
        }
        if place.symlink_metadata().is_ok() {
            return Err(Failure::new(format!("writing {} failed: it is there and is no directory", place.display())));
        }
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = parent.join(fresh_name()?);
        std::fs::create_dir(&root).map_err(|error| Failure::io("writing", place, &error))?;
        Ok(Self { root, place: place.to_owned(), is_new: true })
    }

    /// What to unpack into.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The tree is whole.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if self.is_new {
            std::fs::rename(&self.root, &self.place).map_err(|error| Failure::io("writing", &self.place, &error))?;
            self.is_new = false;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

/// Unpacks below `root`; says what was left out.
pub(super) fn unpack(from: impl Read, root: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error| Failure::io("writing", root, &error);
    let mut archive = Archive::new(from);
    let (mut left_out, mut directories, mut root_mode) = (Vec::new(), Vec::new(), None);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        match entry.header().entry_type() {
            EntryType::Directory if path.components().all(|part| part == std::path::Component::CurDir) => {
                root_mode = entry.header().mode().ok();
            }
            // At last, because one that forbids writing must first get what is in it.
            EntryType::Directory => directories.push(entry),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Symlink | EntryType::Link => {
                if !entry.unpack_in(root).map_err(|error| Failure::io("writing", &root.join(&path), &error))? {
                    left_out.push(path.display().to_string());
                }
            }
            _ => left_out.push(path.display().to_string()),
        }
    }
    directories.sort_by(|a, b| b.path_bytes().cmp(&a.path_bytes()));
    for mut directory in directories {
        directory.unpack_in(root).map_err(failed)?;
    }
    if let Some(mode) = root_mode {
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(mode & 0o777)).map_err(failed)?;
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use tar::{Builder, Header};

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o555 } else { 0o4755 });
            // By hand, because the library writes no name that leads outside.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let data = if *kind == EntryType::Regular {
                content.as_bytes()
            } else {
                header.set_link_name_literal(content).unwrap();
                b""
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_hostile_archive_stays_inside() {
        let dir = TempDir::new();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let out = outside.to_str().unwrap();
        let bytes = archive(&[
            ("ro", EntryType::Directory, ""),
            ("ro/file", EntryType::Regular, "x"),
            ("../outside/a", EntryType::Regular, "x"),
            ("pipe", EntryType::Fifo, ""),
            ("device", EntryType::Char, ""),
        ]);
        let left_out = unpack(&bytes[..], &root).unwrap();
        assert_eq!(left_out, ["../outside/a", "pipe", "device"]);
        let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("ro"), mode("ro/file")), (0o555, 0o755), "no set-user-id bit comes through");
        let bytes = archive(&[("link", EntryType::Symlink, out), ("link/b", EntryType::Regular, "x")]);
        assert!(unpack(&bytes[..], &root).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn a_new_tree_is_there_as_a_whole_or_not_at_all() {
        let dir = TempDir::new();
        let place = dir.path().join("tree");
        drop(Target::new(&place).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let target = Target::new(&place).unwrap();
        std::fs::write(target.root().join("a"), "x").unwrap();
        assert!(!place.exists());
        target.finish().unwrap();
        assert!(place.join("a").exists());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(Target::new(&dir.path().join("file")).is_err());
    }
}
