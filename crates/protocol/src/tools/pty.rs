//! Tools about terminals. Making one and connecting to one are streams: see [`crate::streams`].

/// Tool name.
pub const PTY_LIST: &str = "pty_list";
/// Tool name.
pub const PTY_KILL: &str = "pty_kill";
/// Most terminals at once in a session.
pub const MAX_PTYS: usize = 32;

/// Arguments of `pty_kill`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PtyKillArgs {
    /// Which.
    pub id: String,
}

/// Result of `pty_list`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PtyListResult {
    /// The terminals whose programs run, oldest first.
    pub ids: Vec<String>,
}

/// Result of `pty_kill`: the program and everything it started are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PtyKillResult {}
