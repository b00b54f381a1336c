//! The socket a program was started with.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A close-on-exec duplicate of descriptor `number`, which the parent left open for this program. The original stays open,
/// which is harmless for a socket: its other end sees the end of this program either way.
///
/// # Errors
/// Nothing is open there.
pub fn inherited_socket(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: `F_DUPFD_CLOEXEC` takes any number, touches no memory of ours and reports a number that is not open.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made `copy`, so it is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
