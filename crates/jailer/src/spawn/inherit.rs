//! Descriptors that come as bare numbers, and the allocator's settings: the other things a guest needs `unsafe` for.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes ownership of a descriptor that this process was started with. It becomes close-on-exec.
///
/// # Errors
/// The number is not open, is above 63, or was taken before.
pub fn take_inherited(fd: RawFd) -> io::Result<OwnedFd> {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let bit = u32::try_from(fd).ok().and_then(|shift| 1u64.checked_shl(shift)).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: F_SETFD on any number is harmless; on one that is not open it answers EBADF.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    if TAKEN.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("descriptor {fd} was taken before")));
    }
    own(fd)
}

/// Owns a descriptor that the kernel just gave us.
pub(super) fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: `fd` is open and ours alone: either just made by the kernel for us, or inherited and taken only once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes the C allocator give big blocks back to the kernel as soon as they are freed, and use one arena for all
/// threads: a process that mostly waits should weigh little.
pub fn keep_heap_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets tunables; called with valid parameters.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * 1024);
    }
}
