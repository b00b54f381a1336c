//! The metadata trait. One suite of tests runs over every back end.

use crate::{KeyRow, Page, PageQuery, SessionChange, SessionRow, StoreError, TenantRow};
use async_trait::async_trait;
use types::{KeyId, NodeId, SessionId, TenantId, Timestamp};

/// Where tenants, keys and sessions are kept. Every method is one transaction.
#[async_trait]
pub trait MetadataStore: Send + Sync + std::fmt::Debug + 'static {
    /// Adds a tenant; [`StoreError::Exists`] when its name is taken.
    async fn add_tenant(&self, tenant: &TenantRow) -> Result<(), StoreError>;
    /// A tenant by name.
    async fn tenant_by_name(&self, name: &str) -> Result<Option<TenantRow>, StoreError>;
    /// All tenants.
    async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError>;

    /// Adds a key.
    async fn add_key(&self, key: &KeyRow) -> Result<(), StoreError>;
    /// The key with this hash, revoked or not.
    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<KeyRow>, StoreError>;
    /// Keys, of one tenant or of all.
    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<KeyRow>, StoreError>;
    /// Marks a key revoked; a second time is no error.
    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Adds a session.
    async fn add_session(&self, row: &SessionRow) -> Result<(), StoreError>;
    /// A tenant's session, whatever its state.
    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError>;
    /// Applies `change` if the row still has `epoch`, else [`StoreError::Fenced`].
    async fn change_session(&self, id: &SessionId, epoch: i64, change: &SessionChange) -> Result<(), StoreError>;
    /// A page of a tenant's sessions.
    async fn page_sessions(&self, tenant: &TenantId, query: &PageQuery) -> Result<Page, StoreError>;
    /// How many live sessions a tenant has.
    async fn count_live(&self, tenant: &TenantId) -> Result<u64, StoreError>;
    /// Takes over every unfinished session of `node` (raising its epoch) and returns them: what a starting server does.
    async fn adopt_sessions(&self, node: &NodeId) -> Result<Vec<SessionRow>, StoreError>;
    /// Removes rows that finished before `before`; returns how many.
    async fn forget_finished(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// The secret kept under `name` for all servers on this database; `fresh` becomes it when there is none yet.
    async fn shared_secret(&self, name: &str, fresh: &[u8; 32]) -> Result<[u8; 32], StoreError>;
}
