//! Tool calls: who asks, how long, and what comes back.

use types::{CallId, SandboxUser};

/// The key in an MCP request's `_meta` under which a [`CallMeta`] stands.
pub const CALL_META_KEY: &str = "roadstead.dev/call";

/// What the host says about a `tools/call` besides name and arguments.
///
/// A call belongs to the guest. A lost connection does not end it; asking again with the same id joins the running
/// call or fetches its kept result. Only an MCP cancellation or the call's own time-out ends it early.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallMeta {
    /// Identity of the call; two requests with one id are one call.
    pub id: CallId,
    /// Whom the tool acts as.
    #[serde(default)]
    pub user: SandboxUser,
}

/// How a tool call ended: a structured result, or a failure that says why.
///
/// On the MCP wire a success is `structuredContent` with `isError: false`; a failure is `isError: true` with
/// `structuredContent` = `{"error": ToolError}`. Both also carry a text block for MCP clients that show only text.
pub type ToolOutcome = Result<serde_json::Value, ToolError>;

/// Why a tool failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{message}")]
pub struct ToolError {
    /// The kind of failure.
    pub code: ToolErrorCode,
    /// What was wrong with which object, and what would be right.
    pub message: String,
}

impl ToolError {
    /// A failure of kind `code`.
    pub fn new(code: ToolErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Shorthand for [`ToolErrorCode::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ToolErrorCode::InvalidArgument, message)
    }
}

/// The kinds of tool failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolErrorCode {
    /// No tool of that name in this image.
    UnknownTool,
    /// Arguments of the wrong type, missing, or out of range.
    InvalidArgument,
    /// No such file or directory.
    NotFound,
    /// The sandbox user may not do this.
    PermissionDenied,
    /// The target exists already.
    AlreadyExists,
    /// A file where a directory is needed, or the reverse, or a special file.
    WrongFileType,
    /// The file or the answer is larger than a call can carry.
    TooLarge,
    /// No room on the sandbox's disk.
    NoSpace,
    /// The call's time limit passed; everything it started was killed.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// Too many calls at once in this sandbox.
    Busy,
    /// The guest or the kernel failed in a way the caller cannot mend.
    Internal,
}
