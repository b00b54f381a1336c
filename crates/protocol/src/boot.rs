//! What a guest is told when it starts.

use types::{Capability, OutputLimit, SandboxId};

/// The guest's whole configuration, one JSON document in its first argument.
///
/// The guest inherits descriptor 3, a listening Unix socket bound inside the sandbox, and nothing else from the host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GuestBoot {
    /// The starter's protocol generation; the guest serves the lower of this and its own.
    pub generation: u32,
    /// The sandbox's id, for the guest's own log lines.
    pub sandbox: SandboxId,
    /// Tool groups of the image; other tools are refused.
    pub capabilities: Vec<Capability>,
    /// How much of a command's output is kept.
    pub output: OutputLimit,
    /// A delegated cgroup v2 directory under which the guest makes one group per command, so that a time-out can kill
    /// everything the command started.
    pub cgroup_dir: String,
}

impl GuestBoot {
    /// The descriptor on which the guest accepts control connections.
    pub const CONTROL_FD: i32 = 3;
}
