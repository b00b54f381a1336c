//! Where a sandbox's use can be read.

use super::cgroup::Gauges;
use std::io;
use std::path::{Path, PathBuf};

/// A sandbox's places, to be read when no lock is held.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Its cgroups.
    pub(crate) group: Gauges,
    /// What it writes.
    pub(crate) upper: PathBuf,
}

/// Size and used part of the file system below `path`, bytes.
///
/// # Errors
/// What the kernel says.
pub(crate) fn disk(path: &Path) -> io::Result<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok((bytes(stat.blocks()), bytes(stat.blocks().saturating_sub(stat.blocks_free()))))
}
