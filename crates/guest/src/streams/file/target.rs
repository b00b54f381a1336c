//! Where a file's bytes go while they come.
//!
//! A file that is overwritten is replaced as a whole: its new content grows in a file beside it, which takes its name and
//! its mode at the end. Where that cannot be, because the user may write the file but not its directory or could not give
//! the new one to the old one's owner, the content is written over the old in place, and a transfer that breaks off leaves
//! a mixture. Hard links to a replaced file keep the old content, and extended attributes do not go over.

use crate::files::{failed, make_directories, open_regular, wrong_type};
use bytes::Bytes;
use nix::unistd::{Gid, Uid};
use protocol::tools::filesystem::WriteMode;
use protocol::{ToolError, ToolErrorCode};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fchmod, openat, renameat, renameat_with, unlinkat};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Links to a link that are followed; the kernel stops there too.
const MAX_LINKS: usize = 40;
/// Permission bits of a file that is made, unless the host says others.
const NEW_FILE: u32 = 0o644;

/// A file that is being written. Used as its user, from the beginning to the end.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    file: File,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// As the bytes come, at the end.
    Append,
    /// As the bytes come, over the old ones.
    InPlace,
    /// In a file of its own, which takes the name at the end.
    Beside { directory: OwnedFd, own: OsString, name: OsString, mode: u32, replace: bool },
}

impl Target {
    /// Opens what `path` leads to; missing parent directories are made. `permissions` are those of a file that is made.
    pub(super) fn open(path: &Path, mode: WriteMode, permissions: Option<u32>) -> Result<Self, ToolError> {
        let permissions = match permissions.unwrap_or(NEW_FILE) {
            bits @ 0..=0o7777 => bits,
            bits => return Err(ToolError::invalid(format!("permissions are {bits:o} (octal); they lie between 0 and 7777"))),
        };
        if let Some(parent) = path.parent() {
            make_directories(parent)?;
        }
        if mode == WriteMode::Append {
            return Self::append(path, permissions);
        }
        let path = follow(path)?;
        let old = match fs::symlink_metadata(&path) {
            Ok(_) if mode == WriteMode::CreateNew => {
                return Err(ToolError::new(ToolErrorCode::AlreadyExists, format!("{} exists already", path.display())));
            }
            Ok(metadata) if !metadata.is_file() => return Err(wrong_type(&path, &metadata)),
            // Opened only to have the kernel say whether the user may write it, or to write it.
            Ok(_) => Some(open_regular(&path, OpenOptions::new().write(true))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("looking at", &path)(error)),
        };
        let new_mode = old.as_ref().map_or(permissions, |(_, metadata)| metadata.mode() & 0o7777);
        match (beside(&path, new_mode, mode, old.as_ref().map(|(_, metadata)| metadata)), old) {
            (Ok((file, way)), _) => Ok(Self { path, file, way }),
            (Err(error), Some((file, _))) if only_in_place(&error) => Ok(Self { path, file, way: Way::InPlace }),
            (Err(error), _) => Err(failed("making a file beside", &path)(error)),
        }
    }

    fn append(path: &Path, permissions: u32) -> Result<Self, ToolError> {
        let mut options = OpenOptions::new();
        options.append(true).mode(permissions);
        // The mode mask is for tools; here it was said exactly.
        let file = match options.clone().create_new(true).open(path) {
            Ok(file) => {
                fchmod(&file, Mode::from_bits_truncate(permissions)).map_err(|error| failed("setting the mode of", path)(error.into()))?;
                file
            }
            Err(_) => open_regular(path, options.create(true))?.0,
        };
        Ok(Self { path: path.to_owned(), file, way: Way::Append })
    }

    /// Writes `chunks`, which begin `at` so many bytes after the transfer's first.
    pub(super) fn write(&self, chunks: &[Bytes], mut at: u64) -> io::Result<()> {
        for chunk in chunks {
            match self.way {
                Way::Append => (&self.file).write_all(chunk)?,
                Way::InPlace | Way::Beside { .. } => self.file.write_all_at(chunk, at)?,
            }
            at += chunk.len() as u64;
        }
        Ok(())
    }

    /// All bytes, `length` of them, have been written: the file is what it shall be.
    pub(super) fn finish(self, length: u64) -> Result<(), ToolError> {
        let doing = failed("writing", &self.path);
        match &self.way {
            Way::Append => Ok(()),
            Way::InPlace => self.file.set_len(length).map_err(doing),
            Way::Beside { directory, own, name, mode, replace } => {
                let named = fchmod(&self.file, Mode::from_bits_truncate(*mode)).and_then(|()| {
                    if *replace {
                        renameat(directory, own, directory, name)
                    } else {
                        renameat_with(directory, own, directory, name, RenameFlags::NOREPLACE)
                    }
                });
                named.map_err(|error| {
                    let _ = unlinkat(directory, own, AtFlags::empty());
                    doing(error.into())
                })
            }
        }
    }

    /// The transfer broke off: nothing is left of it, where that can be.
    pub(super) fn abandon(self) -> Result<(), ToolError> {
        match &self.way {
            Way::Append | Way::InPlace => Ok(()),
            Way::Beside { directory, own, .. } => {
                unlinkat(directory, own, AtFlags::empty()).map_err(|error| failed("removing the beginning of", &self.path)(error.into()))
            }
        }
    }
}

/// A new file beside `path`, in its directory even if that is renamed meanwhile.
fn beside(path: &Path, mode: u32, write: WriteMode, old: Option<&Metadata>) -> io::Result<(File, Way)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::IsADirectory.into()) };
    let directory = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let (own, file) = loop {
        let own = OsString::from(format!(".roadstead-{}.part", NEXT.fetch_add(1, Ordering::Relaxed)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&directory, &own, flags, Mode::RUSR | Mode::WUSR) {
            // Left by a guest that died, or somebody's own.
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(file) => break (own, File::from(file)),
        }
    };
    if let Err(error) = same_owner(&file, old) {
        let _ = unlinkat(&directory, &own, AtFlags::empty());
        return Err(error);
    }
    let replace = write == WriteMode::Overwrite;
    Ok((file, Way::Beside { directory, own, name: name.to_owned(), mode, replace }))
}

/// Gives the new file to the old one's owner.
fn same_owner(file: &File, old: Option<&Metadata>) -> io::Result<()> {
    let Some(old) = old else { return Ok(()) };
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    Ok(nix::unistd::fchown(file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?)
}

/// Whether writing in place may go where a file beside does not; a full disk is full for both.
fn only_in_place(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Where links at the end of `path` lead, so that not the link is replaced but what it points to.
fn follow(path: &Path) -> Result<PathBuf, ToolError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(ToolError::invalid(format!("{} leads through more than {MAX_LINKS} links", path.display())))
}
