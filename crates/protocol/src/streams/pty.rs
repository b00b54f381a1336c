//! Terminals. A terminal belongs to the guest: it outlives the connection that made it, until its program ends or it is
//! killed (tool `pty_kill`). What it shows while nobody is connected is kept, bounded, and shown to the next one.

use crate::call::ToolError;
use std::collections::BTreeMap;
use types::SandboxUser;

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PtySize {
    /// Columns, 1–500.
    pub cols: u16,
    /// Rows, 1–500.
    pub rows: u16,
}

/// Which terminal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PtyOpen {
    /// Whom its program acts as.
    #[serde(default)]
    pub user: SandboxUser,
    /// A new one, or one that lives.
    pub target: PtyTarget,
}

/// A new terminal, or one that lives.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PtyTarget {
    /// Makes one.
    New {
        /// Its size.
        size: PtySize,
        /// Environment variables added to the session's. `TERM` is `xterm-256color` unless named here.
        #[serde(default)]
        envs: BTreeMap<String, String>,
        /// Working directory; the user's home when absent.
        #[serde(default)]
        cwd: Option<String>,
        /// The program, a path or a name on PATH; a login shell of the user when absent.
        #[serde(default)]
        shell: Option<String>,
    },
    /// Connects to one. Several may be connected to one terminal; each sees all it shows from then on.
    Existing {
        /// Its id, from [`PtyOutput::Opened`] or the tool `pty_list`.
        id: String,
    },
}

/// What the host says besides what is typed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PtyInput {
    /// The window changed.
    Resize {
        /// To this.
        size: PtySize,
    },
}

/// What the guest says besides what is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PtyOutput {
    /// The first packet: which terminal this is.
    Opened {
        /// Its id.
        id: String,
    },
    /// Its program ended; the last packet.
    Exited {
        /// Exit code; 128 + signal number when a signal ended it.
        exit_code: i32,
    },
    /// There is no such terminal, or it could not be made; the only packet.
    Failed {
        /// Why.
        error: ToolError,
    },
}
