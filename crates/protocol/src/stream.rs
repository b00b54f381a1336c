//! What a connection to a guest can become.

use crate::call::CallMeta;
use crate::streams::{CodeOpen, ExecOpen, FileReadOpen, FileWriteOpen, PtyOpen, WatchOpen};

/// The host's first frame: what this connection is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamOpen {
    /// An MCP conversation, JSON-RPC 2.0, one message per line.
    Mcp {
        /// The host's protocol generation.
        generation: u32,
    },
    /// A TCP connection to `127.0.0.1:port` (or `[::1]:port`) inside the sandbox. Plain bytes.
    Tunnel {
        /// The port a program inside listens on.
        port: u16,
    },
    /// A command with its output as it comes, in [packets](crate::packet): see [`ExecOpen`]. Since generation 2.
    Exec(ExecOpen),
    /// A terminal, in packets: see [`PtyOpen`]. Since generation 2.
    Pty(PtyOpen),
    /// Code in a kernel with its output as it comes, in packets: see [`CodeOpen`]. Since generation 2.
    Code(CodeOpen),
    /// A file's bytes out of the sandbox, in packets: see [`FileReadOpen`]. Since generation 2.
    ReadFile(FileReadOpen),
    /// A file's bytes into the sandbox, in packets: see [`FileWriteOpen`]. Since generation 2.
    WriteFile(FileWriteOpen),
    /// Changes below a path as they happen, in packets: see [`WatchOpen`]. Since generation 2.
    Watch(WatchOpen),
}

impl StreamOpen {
    /// The call that a piece of work on this connection is, when it is one.
    pub fn call(&self) -> Option<&CallMeta> {
        match self {
            Self::Exec(open) => Some(&open.call),
            Self::Code(open) => Some(&open.call),
            _ => None,
        }
    }
}

/// The guest's first frame.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StreamReply {
    /// The connection is now what was asked for.
    Ready {
        /// The guest's protocol generation.
        generation: u32,
    },
    /// It is not; the guest closes the connection.
    Refused {
        /// Why, as a kind.
        refusal: StreamRefusal,
        /// Why, for people.
        message: String,
    },
}

/// Why a guest refused a connection. What is wrong with the work itself (a missing file, a bad working directory) is no
/// refusal: the connection opens and its stream says so as a [`crate::ToolError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRefusal {
    /// Nothing listens on that port.
    NothingListens,
    /// The guest is at its limit of connections.
    Busy,
    /// The frame was not understood, which is also what a guest of an older generation says of a newer kind of stream.
    BadRequest,
    /// Anything else.
    Internal,
}
