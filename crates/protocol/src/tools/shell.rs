//! `shell`: one command line, its output, its true exit code.

use std::collections::BTreeMap;

/// Tool name.
pub const SHELL: &str = "shell";
/// Time limit when the caller names none, milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 60_000;
/// Longest time limit, milliseconds (24 h).
pub const MAX_TIMEOUT_MS: u64 = 24 * 3600 * 1000;

/// Arguments of `shell`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ShellArgs {
    /// The command line, given to `sh -c`.
    pub command: String,
    /// Time limit in milliseconds. When it passes, everything the command started is killed.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Working directory; the user's home when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment variables added to the session's.
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
}

/// What came of a command. A non-zero exit code is a result, not a [`crate::ToolError`]; so is a time-out, because
/// the output until then is worth having.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShellResult {
    /// Standard output. Bytes that are not UTF-8 stand as U+FFFD; NUL and control characters are kept.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Exit code; 128 + signal number when a signal ended it.
    pub exit_code: i32,
    /// Whether the time limit ended it (`exit_code` is then 124).
    #[serde(default)]
    pub timed_out: bool,
    /// Present when standard output was longer than what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_cut: Option<Cut>,
    /// Present when standard error was longer than what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_cut: Option<Cut>,
}

/// Where a stream was cut: the first `kept_bytes` of `total_bytes` are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cut {
    /// Bytes kept, from the start.
    pub kept_bytes: u64,
    /// Bytes the command wrote in all.
    pub total_bytes: u64,
}

/// The exit code of a command that its time limit ended, as coreutils' `timeout` has it.
pub const TIMEOUT_EXIT_CODE: i32 = 124;
