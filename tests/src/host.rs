//! The second path: what the host's kernel says about a process.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// `/proc/PID/status`, field by field.
#[derive(Debug)]
pub struct ProcStatus(BTreeMap<String, String>);

impl ProcStatus {
    /// Reads it.
    pub fn of(pid: i32) -> Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is not there"))?;
        Ok(Self(text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()))
    }

    /// One field.
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// The four uids: real, effective, saved, file system.
    pub fn uids(&self) -> Vec<u32> {
        self.get("Uid").split_whitespace().filter_map(|uid| uid.parse().ok()).collect()
    }
}

/// The inode that names a process's namespace of a kind (`user`, `pid`, `mnt`, `net`, `ipc`, `uts`, `cgroup`).
pub fn namespace_inode(pid: i32, kind: &str) -> Result<String> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).with_context(|| format!("reading the {kind} namespace of {pid}"))?;
    Ok(link.to_string_lossy().into_owned())
}

/// Every live process below `pid`, with its command line.
pub fn descendants_of(pid: i32) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
                found.push((child, String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()));
                open.push(child);
            }
        }
    }
    found
}

/// Waits for `condition`, asking every few milliseconds, at most `limit`; whether it came true.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
