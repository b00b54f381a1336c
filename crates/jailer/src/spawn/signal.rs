//! Signals by number: the libraries at hand know only those with a name, a terminal's user may send any.

use std::io;

/// Sends signal `number` to process `pid`.
///
/// # Errors
/// Everything `kill` answers; [`io::ErrorKind::InvalidInput`] for a pid that would mean several processes.
pub fn send_signal(pid: i32, number: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the call takes two numbers and touches no memory of ours.
    if unsafe { libc::kill(pid, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
