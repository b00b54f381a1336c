//! The contract between the host and a guest, versioned by one rising number.
//!
//! A guest listens on one Unix socket. Every connection starts with one [frame](frame): the host says in a
//! [`StreamOpen`] what it wants, the guest answers with a [`StreamReply`], and from then on the connection is what was
//! asked for: an MCP conversation (JSON-RPC, one message a line), plain bytes, or [packets](packet) of a stream's own
//! [vocabulary](streams).
//!
//! Nothing here does I/O; nothing here knows tenants, sessions or dialects.

#![forbid(unsafe_code)]

mod boot;
mod call;
pub mod frame;
mod message;
pub mod packet;
mod stream;
pub mod streams;
pub mod tools;

pub use boot::GuestBoot;
pub use call::{CALL_META_KEY, CallMeta, ToolError, ToolErrorCode, ToolOutcome};
pub use message::{MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES, json_length};
pub use stream::{StreamOpen, StreamRefusal, StreamReply};

/// The protocol generation this code speaks. It only rises, and a message once sent is never changed:
/// a newer host keeps serving guests that an older one started.
///
/// | generation | what it added |
/// |---|---|
/// | 1 | MCP, tunnels; `shell` and the filesystem group |
/// | 2 | packet streams (exec, terminal, code, file, watch); `run_code`, the environment, terminals |
pub const GENERATION: u32 = 2;
