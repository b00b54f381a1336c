//! Sandboxes behind one trait: made, reached and ended without knowing what makes them.
//!
//! The host reaches a sandbox only through [`Runtime::open_stream`], never through a path or a pid, so that gVisor, a
//! microVM or a pod can stand in for the native back end. Nothing here knows sessions or tenants.

#![forbid(unsafe_code)]

mod error;
mod guest;
pub mod native;
pub mod sim;
mod stream;

use async_trait::async_trait;
pub use error::RuntimeError;
pub use guest::Guest;
use protocol::StreamOpen;
use std::time::Duration;
pub use stream::{ByteStream, Duplex, PacketStream, open_on};
use types::{ImageId, ImageManifest, OutputLimit, SandboxId, SandboxLimits};

/// What a sandbox is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Chosen by the caller, so that a retry names the same sandbox.
    pub id: SandboxId,
    /// What it starts from.
    pub image: ImageId,
    /// What the kernel enforces.
    pub limits: SandboxLimits,
    /// How much of a command's output its guest keeps.
    pub output: OutputLimit,
}

/// What is known of a sandbox that exists.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SandboxFacts {
    /// Its id.
    pub id: SandboxId,
    /// What it was started from.
    pub image: ImageId,
    /// Pid of its first process as the host sees it; for operators, never for access.
    pub host_pid: i32,
    /// First host uid of its range.
    pub uid_base: u32,
    /// The isolation layers it got, in words such as `user-namespace`, `seccomp`, `cgroup-v1`.
    pub layers: Vec<String>,
}

/// What a sandbox uses at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxUsage {
    /// CPU time of all its processes since its start.
    pub cpu_time: Duration,
    /// Memory in use, without page cache that can be dropped, bytes.
    pub memory_bytes: u64,
    /// Size of the file system that its files are written to, bytes.
    pub disk_total_bytes: u64,
    /// Used of it, by whomever, bytes.
    pub disk_used_bytes: u64,
    /// Bytes that came from outside; can start anew at 0 when a part of the back end was restarted.
    pub received_bytes: u64,
    /// Bytes that went outside, likewise.
    pub sent_bytes: u64,
}

/// A maker of sandboxes.
#[async_trait]
pub trait Runtime: Send + Sync + std::fmt::Debug + 'static {
    /// The images it can start from.
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError>;

    /// The images that somebody is building for it now, as far as it can tell.
    async fn images_being_built(&self) -> Vec<ImageId> {
        Vec::new()
    }

    /// Makes a sandbox whose guest is about to listen. Asking again with the same id returns the one that exists.
    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError>;

    /// Ends a sandbox and everything of it. Done when nothing runs any more; asking again is no error.
    async fn destroy(&self, id: &SandboxId) -> Result<(), RuntimeError>;

    /// The sandboxes that exist now.
    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError>;

    /// A connection to a sandbox's guest, past its head: what `open` asked for.
    async fn open_stream(&self, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError>;

    /// What a sandbox uses now. [`RuntimeError::Unsupported`] where the back end cannot tell.
    async fn usage(&self, id: &SandboxId) -> Result<SandboxUsage, RuntimeError>;

    /// Ends every sandbox and the back end's own helpers.
    async fn shutdown(&self) -> Result<(), RuntimeError>;
}
