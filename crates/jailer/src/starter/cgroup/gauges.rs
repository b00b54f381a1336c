//! What a group's processes use, read from the files of whichever generation counts it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directories of one sandbox's groups.
#[derive(Debug, Clone)]
pub(crate) struct Gauges {
    pub(super) v1: Vec<PathBuf>,
    pub(super) v2: PathBuf,
}

impl Gauges {
    /// CPU time since the group was made, microseconds. Every v2 group counts it, with or without the controller.
    ///
    /// # Errors
    /// `NotFound` when the group has gone.
    pub(crate) fn cpu_us(&self) -> io::Result<u64> {
        let path = self.v2.join("cpu.stat");
        field(&fs::read_to_string(&path)?, "usage_usec").ok_or_else(|| unexpected(&path))
    }

    /// Memory in use, bytes, without the page cache, which the kernel drops when a process needs the room.
    ///
    /// # Errors
    /// `NotFound` when the group has gone.
    pub(crate) fn memory_bytes(&self) -> io::Result<u64> {
        // The plain names of v1 leave out the groups below.
        let v1 = self.v1.iter().map(|dir| (dir, "memory.usage_in_bytes", ["total_inactive_file", "total_active_file"]));
        let v2 = [(&self.v2, "memory.current", ["inactive_file", "active_file"])];
        for (dir, total, cached) in v1.chain(v2) {
            let total = match fs::read_to_string(dir.join(total)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                total => total?,
            };
            let total: u64 = total.trim().parse().map_err(|_| unexpected(dir))?;
            let stat = fs::read_to_string(dir.join("memory.stat"))?;
            let cached: u64 = cached.iter().filter_map(|name| field(&stat, name)).sum();
            return Ok(total.saturating_sub(cached));
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The number beside `name` in a file of `name number` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

fn unexpected(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} does not say what it should", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_is_read_and_a_group_that_has_gone_is_not_found() {
        let root = std::env::temp_dir().join(format!("roadstead-gauges-{}", std::process::id()));
        let check = |v1: &[(&str, &str)], v2: &[(&str, &str)], wanted: Option<u64>| {
            let gauges = Gauges { v1: vec![root.join("cpu"), root.join("memory")], v2: root.join("unified") };
            for (dir, files) in [("cpu", &[][..]), ("memory", v1), ("unified", v2)] {
                fs::create_dir_all(root.join(dir)).unwrap();
                for (name, text) in files {
                    fs::write(root.join(dir).join(name), text).unwrap();
                }
            }
            let got = gauges.memory_bytes();
            fs::remove_dir_all(&root).unwrap();
            match wanted {
                Some(bytes) => assert_eq!(got.unwrap(), bytes),
                None => assert_eq!(got.unwrap_err().kind(), io::ErrorKind::NotFound),
            }
        };
        let v1 = [("memory.usage_in_bytes", "900\n"), ("memory.stat", "inactive_file 1\ntotal_inactive_file 200\ntotal_active_file 300\n")];
        let v2 = [("memory.current", "90\n"), ("memory.stat", "anon 40\ninactive_file 20\nactive_file 30\n")];
        check(&v1, &[], Some(400));
        check(&[], &v2, Some(40));
        check(&v1, &v2, Some(400));
        check(&[], &[], None);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "usage_usec_x 1\nusage_usec 25\nuser_usec 3\n";
        assert_eq!((field(text, "usage_usec"), field(text, "user_usec"), field(text, "usec")), (Some(25), Some(3), None));
    }
}
