//! Words about sessions that several layers share.

/// Where a session is in its life. The transitions are drawn and decided in `control::session`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Its row exists, its sandbox is being made.
    Creating,
    /// It can be used.
    Running,
    /// Being frozen.
    Pausing,
    /// Frozen.
    Paused,
    /// Being thawed.
    Resuming,
    /// Deletion was accepted: gone for its user, still being cleaned up.
    Deleting,
    /// Nothing is left of it but its row.
    Finished,
}

impl SessionState {
    /// Whether the session still exists for its user.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Deleting | Self::Finished)
    }

    /// The word kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Resuming => "resuming",
            Self::Deleting => "deleting",
            Self::Finished => "finished",
        }
    }

    /// The state that [`Self::as_str`] wrote.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Creating, Self::Running, Self::Pausing, Self::Paused, Self::Resuming, Self::Deleting, Self::Finished]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its user deleted it.
    Deleted,
    /// No activity for the idle time.
    Idle,
    /// It reached its maximum life.
    MaxLife,
    /// Its sandbox could not be made.
    CreateFailed,
    /// Its sandbox died (out of memory, starter gone, machine rebooted).
    SandboxLost,
    /// The operator ended everything.
    Shutdown,
}

impl EndReason {
    /// The word kept in the database and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Idle => "idle",
            Self::MaxLife => "max_life",
            Self::CreateFailed => "create_failed",
            Self::SandboxLost => "sandbox_lost",
            Self::Shutdown => "shutdown",
        }
    }

    /// The reason that [`Self::as_str`] wrote.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Deleted, Self::Idle, Self::MaxLife, Self::CreateFailed, Self::SandboxLost, Self::Shutdown]
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }
}

/// The language of the SDK that made a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdkLanguage {
    /// Official Python SDK.
    Python,
    /// Official TypeScript SDK.
    Typescript,
    /// Official Go SDK.
    Golang,
    /// Official Java SDK.
    Java,
    /// Our own Rust SDK.
    Rust,
}

/// What a client said about itself when it made a session. Only a dialect reads it; kept with the session so that
/// answers keep the form that client understands.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClientInfo {
    /// Which dialect made the session (`agentbay`, `agb`, `native`).
    pub dialect: String,
    /// The SDK's language; `None` when it did not say.
    pub language: Option<SdkLanguage>,
    /// The SDK's version as it wrote it; empty when it did not say.
    #[serde(default)]
    pub version: String,
    /// Framework name for statistics.
    #[serde(default)]
    pub framework: String,
    /// Whether it asked to reach the session on a network address instead of through the API.
    #[serde(default)]
    pub vpc: bool,
    /// Name of the context through which it means to transfer files; empty when it brought none.
    #[serde(default)]
    pub transfer_context: String,
}
