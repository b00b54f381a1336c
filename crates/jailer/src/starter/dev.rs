//! The device directory that all sandboxes share, read-only.

use super::sys;
use super::text::c_path;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const NODES: [(&str, u64, u64); 6] = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];
/// Where every sandbox mounts something of its own.
const MOUNT_POINTS: [&str; 3] = ["pts", "shm", "mqueue"];

/// The directory, mounted in the starter's namespace.
#[derive(Debug)]
pub(crate) struct Dev(CString);

impl Dev {
    /// Makes it at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("mode=755,size=64k"))?;
        for (name, major, minor) in NODES {
            let node = path.join(name);
            mknod(&node, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))?;
            fs::set_permissions(&node, Permissions::from_mode(0o666))?;
        }
        for name in MOUNT_POINTS {
            fs::create_dir(path.join(name))?;
        }
        for (target, name) in LINKS {
            symlink(target, path.join(name))?;
        }
        // Without MS_BIND this makes the file system itself read-only, whoever remounts a copy of it.
        mount(None::<&str>, path, None::<&str>, flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>)?;
        Ok(Self(c_path(path)?))
    }

    /// A detached copy for one sandbox.
    pub(crate) fn clone_mount(&self) -> io::Result<OwnedFd> {
        sys::clone_mount(&self.0)
    }
}
