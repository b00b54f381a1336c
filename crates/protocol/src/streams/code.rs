//! Code in a kernel with its output as it comes.

use crate::call::{CallMeta, ToolError};
use crate::tools::code::{CodeError, CodeResult, RunCodeArgs};

/// What to run. As with a tool call, the code goes on when the connection is lost, until its own time limit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CodeOpen {
    /// Identity and user.
    pub call: CallMeta,
    /// The code.
    pub args: RunCodeArgs,
}

/// What happens while it runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CodeEvent {
    /// The language's kernel is being started, which can take some seconds the first time.
    Starting,
    /// Text on standard output.
    Stdout {
        /// The text.
        text: String,
    },
    /// Text on standard error.
    Stderr {
        /// The text.
        text: String,
    },
    /// Something to show.
    Result {
        /// In all its forms.
        result: CodeResult,
    },
    /// The code raised an error.
    Error {
        /// Which.
        error: CodeError,
    },
    /// It ended; the last packet.
    Ended {
        /// The kernel's count of executions.
        execution_count: u32,
        /// How long it ran, seconds.
        execution_time_s: f64,
        /// Whether its time limit interrupted it.
        timed_out: bool,
        /// Whether the kernel had to be killed, or died, so that its state is lost.
        state_lost: bool,
        /// How many bytes of output were left out, because the reader was too slow or they were too many at once.
        #[serde(default)]
        cut_bytes: u64,
    },
    /// It could not run; the last packet.
    Failed {
        /// Why.
        error: ToolError,
    },
}
