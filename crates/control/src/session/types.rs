//! What a client asks about sessions and what it is told.

use std::time::Duration;
use types::{ClientInfo, ImageId, Labels, SandboxLimits, SandboxUser, SessionId, SessionState, Timestamp};

/// When a new session is to end by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// As the server's configuration says.
    #[default]
    Default,
    /// Never by itself.
    Manual,
    /// As the client says; `None` means the server's default for that part.
    Limits {
        /// Released after this long without activity.
        idle: Option<Duration>,
        /// Released this long after creation.
        max_life: Option<Duration>,
    },
}

/// What to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateSession {
    /// From what; the configured default when absent.
    pub image: Option<String>,
    /// Labels; may be empty.
    pub labels: Labels,
    /// When it ends by itself.
    pub lifetime: Lifetime,
    /// Who asks.
    pub client: ClientInfo,
    /// A further name under which the tenant finds it while it lives. Refused when a live session has it.
    pub alias: Option<String>,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Where it is in its life.
    pub state: SessionState,
    /// What it was started from.
    pub image: ImageId,
    /// Its labels.
    pub labels: Labels,
    /// Who made it.
    pub client: ClientInfo,
    /// Its limits.
    pub limits: SandboxLimits,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last activity.
    pub active_at: Timestamp,
    /// Released after this long without activity.
    pub idle_timeout: Option<Duration>,
    /// Released at this instant.
    pub expires_at: Option<Timestamp>,
    /// Isolation layers of its sandbox, and its first process's pid on the host (for operators).
    pub sandbox: Option<runtime::SandboxFacts>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListSessions {
    /// All of these must match.
    pub labels: Labels,
    /// Only this state; `None`: every live one.
    pub state: Option<SessionState>,
    /// Only this image.
    pub image: Option<String>,
    /// 1–100.
    pub limit: u32,
    /// Where to go on: a cursor of an earlier page, bound to tenant and filter.
    pub cursor: Option<String>,
}

/// One page of sessions, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// How many match in all.
    pub total: u64,
    /// Where the next page starts; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// A tool call as a client asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Tool name, as the table in `protocol` has it.
    pub name: String,
    /// Arguments, a JSON object.
    pub arguments: serde_json::Value,
    /// Whom it acts as.
    pub user: SandboxUser,
}

impl SessionView {
    /// What the row alone tells.
    pub(crate) fn of_row(row: store::SessionRow) -> Self {
        Self {
            id: row.id,
            state: row.state,
            image: row.image,
            labels: row.labels,
            client: row.client,
            limits: row.limits,
            created_at: row.created_at,
            active_at: row.active_at,
            idle_timeout: row.idle_timeout,
            expires_at: row.expires_at,
            sandbox: None,
        }
    }
}
