//! A command with its output as it comes.

use crate::call::{CallMeta, ToolError};
use std::collections::BTreeMap;

/// What to run. The command ends with its connection: whoever wants it to live longer uses the `shell` tool or a terminal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExecOpen {
    /// Identity and user.
    pub call: CallMeta,
    /// The command line, given to `sh -c`.
    pub command: String,
    /// Working directory; the user's home when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment variables added to the session's.
    #[serde(default)]
    pub envs: BTreeMap<String, String>,
    /// Time limit in milliseconds; none when absent. When it passes, everything the command started is killed.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Whether standard input comes over the stream; otherwise it is empty.
    #[serde(default)]
    pub stdin: bool,
}

/// What the host says besides bytes of standard input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExecInput {
    /// Standard input is over.
    Eof,
    /// Send a signal to the command and everything it started.
    Signal {
        /// Its number, 1–64.
        signal: i32,
    },
}

/// How it ended; the last packet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExecOutput {
    /// It ran and ended, and every byte of its output has been sent.
    Exited {
        /// Exit code; 128 + signal number when a signal ended it, 124 when its time limit did.
        exit_code: i32,
        /// Whether the time limit ended it.
        #[serde(default)]
        timed_out: bool,
    },
    /// It did not run.
    Failed {
        /// Why.
        error: ToolError,
    },
}
