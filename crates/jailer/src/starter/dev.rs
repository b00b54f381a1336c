//! A sandbox's device directory, read-only.
//!
//! Each sandbox has a file system of its own: were the nodes those of all, a program could watch (inotify) when its
//! neighbours open `/dev/null`, and lock it against them.

use super::sys::{self, FsContext};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, makedev, mkdirat, mknodat};
use nix::unistd::symlinkat;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

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

/// Makes the directory as a detached mount. The caller must be root of the host: in another user namespace's file system
/// nodes would be no devices.
pub(crate) fn create() -> io::Result<OwnedFd> {
    let context = FsContext::open(c"tmpfs")?;
    context.set_string(c"mode", c"755")?;
    context.set_string(c"size", c"64k")?;
    let dir = context.mount(libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)?;
    for (name, major, minor) in NODES {
        let mode = Mode::from_bits_truncate(0o666);
        mknodat(&dir, name, SFlag::S_IFCHR, mode, makedev(major, minor))?;
        // The starter's umask had its say.
        fchmodat(&dir, name, mode, FchmodatFlags::FollowSymlink)?;
    }
    for name in MOUNT_POINTS {
        mkdirat(&dir, name, Mode::from_bits_truncate(0o755))?;
    }
    for (target, name) in LINKS {
        symlinkat(target, &dir, name)?;
    }
    sys::set_mount_attributes(dir.as_fd(), libc::MOUNT_ATTR_RDONLY, None)?;
    Ok(dir)
}
