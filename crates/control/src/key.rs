//! API keys.

use types::{KeyId, TenantId, Timestamp};

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeyRequest {
    /// Name of the tenant, made when it does not exist; the caller's when absent.
    pub tenant: Option<String>,
    /// What to call the key.
    pub name: String,
    /// Whether it may manage keys and the server.
    pub admin: bool,
}

/// A key just made. Its text is shown once.
pub struct NewKey {
    /// What is kept of it.
    pub info: KeyInfo,
    /// The secret text, `akm-…`.
    pub text: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its public name.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// That tenant's name.
    pub tenant_name: String,
    /// What a person called it.
    pub name: String,
    /// Whether it manages keys and the server.
    pub admin: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}
