//! How much a sandbox may use, and how long a session may live.

use std::time::Duration;

/// Kernel-enforced limits of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SandboxLimits {
    /// Memory of all its processes together, bytes; swap is counted in.
    pub memory_bytes: u64,
    /// CPU time per second of wall time, thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Open files per process.
    pub open_files: u32,
}

impl Default for SandboxLimits {
    /// 2 GiB, two cores, 2,048 processes, 8,192 open files.
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, cpu_millis: 2000, pids: 2048, open_files: 8192 }
    }
}

/// How much of a command's output is kept. What is beyond is counted, not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OutputLimit {
    /// Bytes kept of each of stdout and stderr.
    pub bytes_per_stream: usize,
}

impl Default for OutputLimit {
    /// 1 MiB of each stream.
    fn default() -> Self {
        Self { bytes_per_stream: 1 << 20 }
    }
}

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdlePolicy {
    /// Released after this long without activity; `None`: never.
    pub idle: Option<Duration>,
    /// Released this long after creation whatever it does; `None`: never.
    pub max_life: Option<Duration>,
}

impl Default for IdlePolicy {
    /// Five minutes idle would surprise a person at a prompt: half an hour, and a day at most.
    fn default() -> Self {
        Self { idle: Some(Duration::from_secs(30 * 60)), max_life: Some(Duration::from_secs(24 * 3600)) }
    }
}
