//! Rows as the rest of the server sees them.

use std::time::Duration;
use types::{
    ClientInfo, ContextId, ContextState, EndReason, ImageId, KeyId, Labels, NodeId, SandboxId, SandboxLimits, SessionId, SessionState,
    TenantId, Timestamp,
};

/// An owner of keys and sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// Its unique name, for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An API key. The text itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its public name.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What a person called it.
    pub name: String,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// Whether it may manage keys, see the host and stop the server.
    pub admin: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A session: what should be (`state`), who owns it (`node`, `epoch`) and every deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The server that owns it.
    pub node: NodeId,
    /// Rises with every change of owner; every write is conditional on it.
    pub epoch: i64,
    /// Where it is in its life.
    pub state: SessionState,
    /// What it starts from.
    pub image: ImageId,
    /// What the runtime made for it; `None` before.
    pub sandbox: Option<SandboxId>,
    /// Its limits.
    pub limits: SandboxLimits,
    /// Its labels.
    pub labels: Labels,
    /// Who made it.
    pub client: ClientInfo,
    /// A name that its tenant gave it, besides its id.
    pub alias: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last activity: a tool call or a keep-alive, never a status poll.
    pub active_at: Timestamp,
    /// Released after this long without activity.
    pub idle_timeout: Option<Duration>,
    /// Released at this instant whatever it does.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
}

/// A change of one session; fields that are `None` stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionChange {
    /// New state.
    pub state: Option<SessionState>,
    /// New sandbox.
    pub sandbox: Option<SandboxId>,
    /// New set of labels.
    pub labels: Option<Labels>,
    /// New last activity.
    pub active_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub end_reason: Option<EndReason>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// All of these must match.
    pub labels: Labels,
    /// Only these states; empty: every live state.
    pub states: Vec<SessionState>,
    /// Only this image.
    pub image: Option<ImageId>,
    /// At most this many rows.
    pub limit: u32,
    /// Only rows older than this one (created before it, or at the same instant with a smaller id):
    /// new sessions never shift a walk, and a row that has gone does not end it.
    pub after: Option<(Timestamp, SessionId)>,
}

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<SessionRow>,
    /// How many rows match in all, on every page.
    pub total: u64,
    /// Whether there are rows after these.
    pub more: bool,
}

/// A context: named data that outlives sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRow {
    /// Its id.
    pub id: ContextId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name; no other context of the tenant has it, but for one that is being deleted.
    pub name: String,
    /// Where it is in its life.
    pub state: ContextState,
    /// Rises with every change of state; every write is conditional on it.
    pub epoch: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its files were last written or read.
    pub used_at: Timestamp,
    /// What its files come to.
    pub usage: Usage,
    /// Changes of its files that are under way, or were when a server was killed.
    pub writers: u32,
}

/// How many files, and their bytes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// By how much a change of one file moves a context's usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageDelta {
    /// Files that came, less those that went.
    pub files: i64,
    /// Bytes that came, less those that went.
    pub bytes: i64,
}

/// A change of one context; fields that are `None` stay. A new state raises the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextChange {
    /// New name.
    pub name: Option<String>,
    /// New state.
    pub state: Option<ContextState>,
    /// New last use.
    pub used_at: Option<Timestamp>,
    /// Counted anew; nothing counts as under way then but what `still_writing` says.
    pub usage: Option<Usage>,
    /// How many of the changes under way go on after a new count.
    pub still_writing: u32,
}

/// Which contexts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextQuery {
    /// At most this many rows.
    pub limit: u32,
    /// Only rows older than this one, as for sessions.
    pub after: Option<(Timestamp, ContextId)>,
}

/// One page of contexts, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRows {
    /// The rows.
    pub rows: Vec<ContextRow>,
    /// How many there are in all.
    pub total: u64,
    /// Whether there are rows after these.
    pub more: bool,
}
