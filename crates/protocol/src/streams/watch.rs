//! Changes below a path as they happen.

use crate::call::ToolError;
use crate::tools::filesystem::FileChange;
use types::SandboxUser;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WatchOpen {
    /// Whom it is watched as.
    #[serde(default)]
    pub user: SandboxUser,
    /// Absolute path of a directory; everything below it is watched too.
    pub path: String,
}

/// What the guest says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WatchOutput {
    /// The first packet: what changes from now on is told.
    Watching,
    /// Something changed.
    Changed {
        /// What, in order.
        changes: Vec<FileChange>,
    },
    /// More changed than could be told; whoever needs all of it lists the directory anew.
    Missed,
    /// It cannot be watched, or not any longer; the last packet.
    Failed {
        /// Why.
        error: ToolError,
    },
}
