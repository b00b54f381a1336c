//! The starter's log: lines with a UTC time on standard error.

use std::fmt::Arguments;

/// Writes one line to the log.
#[macro_export]
macro_rules! log {
    ($($part:tt)*) => { $crate::log::line(format_args!($($part)*)) };
}

/// Writes one line, whole, so that lines of several threads do not mix.
pub(crate) fn line(text: Arguments<'_>) {
    // A log that cannot be written must not end sandboxes.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{} {text}\n", utc_now()).as_bytes());
}

fn utc_now() -> String {
    // SAFETY: `now` and `fields` are plain data on this stack; gmtime_r keeps nothing.
    let fields = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut fields: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&raw const now, &raw mut fields);
        fields
    };
    let libc::tm { tm_year, tm_mon, tm_mday, tm_hour, tm_min, tm_sec, .. } = fields;
    format!("{:04}-{:02}-{tm_mday:02}T{tm_hour:02}:{tm_min:02}:{tm_sec:02}Z", tm_year + 1900, tm_mon + 1)
}
