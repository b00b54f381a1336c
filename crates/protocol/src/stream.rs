//! What a connection to a guest can become.

/// The host's first frame: what this connection is for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamOpen {
    /// An MCP conversation, JSON-RPC 2.0, one message per line.
    Mcp {
        /// The host's protocol generation.
        generation: u32,
    },
    /// A TCP connection to `127.0.0.1:port` (or `[::1]:port`) inside the sandbox.
    Tunnel {
        /// The port a program inside listens on.
        port: u16,
    },
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

/// Why a guest refused a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRefusal {
    /// Nothing listens on that port.
    NothingListens,
    /// The guest is at its limit of connections.
    Busy,
    /// The frame was not understood.
    BadRequest,
    /// Anything else.
    Internal,
}
