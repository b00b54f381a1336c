//! The decisions: sessions, keys, limits, life. Everything a client can do is one typed call here; a dialect only
//! decodes into it and encodes out of it.
//!
//! Nothing here knows a dialect or makes a system call. Time, randomness and back ends are given from outside.

#![forbid(unsafe_code)]

mod config;
mod context;
mod key;
mod session;

pub use config::ControlConfig;
pub use context::{Identity, OpContext};
pub use key::{KeyInfo, NewKey, NewKeyRequest};
pub use session::{CreateSession, Lifetime, ListSessions, SessionPage, SessionView, ToolCall};

use protocol::ToolOutcome;
use runtime::{ByteStream, Runtime};
use std::sync::Arc;
use store::MetadataStore;
use types::{Clock, Entropy, Fault, ImageManifest, KeyId, Labels, NodeId, SessionId};

/// What the engine is built from.
#[derive(Debug)]
pub struct Parts {
    /// Metadata.
    pub store: Arc<dyn MetadataStore>,
    /// Sandboxes.
    pub runtime: Arc<dyn Runtime>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// This server's seat.
    pub node: NodeId,
    /// Limits and defaults.
    pub config: ControlConfig,
}

/// The engine.
#[derive(Debug)]
pub struct Control {
    parts: Parts,
}

impl Control {
    /// Builds the engine and brings the world in line with the database: adopts live sessions, rolls back half-made
    /// ones, finishes half-deleted ones, ends those whose sandbox is gone.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Fault> {
        Ok(Arc::new(Self { parts }))
    }

    /// Who holds this API key. [`types::ErrorCode::Unauthenticated`] when unknown or revoked.
    pub async fn authenticate(&self, key_text: &str) -> Result<Identity, Fault> {
        let _ = (&self.parts, key_text);
        Err(unwritten())
    }

    /// Makes the first tenant (`default`) and its admin key when there is no key at all; returns the key's text once.
    pub async fn first_key(&self) -> Result<Option<NewKey>, Fault> {
        Err(unwritten())
    }

    /// Makes a key (admin only); the text is in the answer and nowhere else.
    pub async fn create_key(&self, cx: &OpContext, request: NewKeyRequest) -> Result<NewKey, Fault> {
        let _ = (cx, request);
        Err(unwritten())
    }

    /// All keys (admin), or those of the caller's tenant.
    pub async fn list_keys(&self, cx: &OpContext) -> Result<Vec<KeyInfo>, Fault> {
        let _ = cx;
        Err(unwritten())
    }

    /// Revokes a key (admin only).
    pub async fn revoke_key(&self, cx: &OpContext, id: &KeyId) -> Result<(), Fault> {
        let _ = (cx, id);
        Err(unwritten())
    }

    /// Makes a session; returns when it can be used.
    pub async fn create_session(&self, cx: &OpContext, request: CreateSession) -> Result<SessionView, Fault> {
        let _ = (cx, request);
        Err(unwritten())
    }

    /// A live session of the caller's tenant; not found when deleted, deleting, foreign or unknown, all alike.
    /// Not an activity.
    pub async fn session(&self, cx: &OpContext, id: &SessionId) -> Result<SessionView, Fault> {
        let _ = (cx, id);
        Err(unwritten())
    }

    /// A page of live sessions.
    pub async fn list_sessions(&self, cx: &OpContext, request: ListSessions) -> Result<SessionPage, Fault> {
        let _ = (cx, request);
        Err(unwritten())
    }

    /// Replaces a session's labels. An empty set is refused.
    pub async fn set_labels(&self, cx: &OpContext, id: &SessionId, labels: Labels) -> Result<(), Fault> {
        let _ = (cx, id, labels);
        Err(unwritten())
    }

    /// Ends a session. With `wait`, returns when nothing of it is left; without, as soon as it is accepted.
    pub async fn delete_session(&self, cx: &OpContext, id: &SessionId, wait: bool) -> Result<(), Fault> {
        let _ = (cx, id, wait);
        Err(unwritten())
    }

    /// Keep-alive: counts as activity.
    pub async fn touch_session(&self, cx: &OpContext, id: &SessionId) -> Result<(), Fault> {
        let _ = (cx, id);
        Err(unwritten())
    }

    /// Calls a tool in a session and waits for its end. Counts as activity at its start and its end; a running call
    /// keeps the session from idling out. Dropping the future does not end the call in the guest.
    pub async fn call_tool(&self, cx: &OpContext, id: &SessionId, call: ToolCall) -> Result<ToolOutcome, Fault> {
        let _ = (cx, id, call);
        Err(unwritten())
    }

    /// A connection to a port inside a session.
    pub async fn open_tunnel(&self, cx: &OpContext, id: &SessionId, port: u16) -> Result<ByteStream, Fault> {
        let _ = (cx, id, port);
        Err(unwritten())
    }

    /// The images on this host.
    pub async fn images(&self) -> Result<Vec<ImageManifest>, Fault> {
        Err(unwritten())
    }

    /// Stops taking work and lets running requests end; sessions stay (Ctrl-C, SIGTERM).
    pub async fn drain(&self) {}

    /// Ends every session of this node and the runtime's helpers (`roadstead down`). Admin only.
    pub async fn shut_down(&self, cx: &OpContext) -> Result<u64, Fault> {
        let _ = cx;
        Err(unwritten())
    }
}

fn unwritten() -> Fault {
    Fault::new(types::ErrorCode::Unimplemented, "not written yet")
}
