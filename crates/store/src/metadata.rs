//! The metadata trait. One suite of tests runs over every back end.

use crate::{
    ContextChange, ContextQuery, ContextRow, ContextRows, KeyRow, Page, PageQuery, SessionChange, SessionRow, StoreError, TenantRow, Usage,
    UsageDelta,
};
use async_trait::async_trait;
use types::{ContextId, KeyId, NodeId, SessionId, TenantId, Timestamp};

/// Where tenants, keys, sessions and contexts are kept. Every method is one transaction.
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

    /// Adds a context; [`StoreError::Exists`] when its tenant has one of that name.
    async fn add_context(&self, row: &ContextRow) -> Result<(), StoreError>;
    /// A tenant's context, whatever its state.
    async fn context(&self, tenant: &TenantId, id: &ContextId) -> Result<Option<ContextRow>, StoreError>;
    /// A tenant's context by its name; one that is being deleted has none any more.
    async fn context_by_name(&self, tenant: &TenantId, name: &str) -> Result<Option<ContextRow>, StoreError>;
    /// A page of a tenant's contexts, without those that are being deleted.
    async fn page_contexts(&self, tenant: &TenantId, query: &ContextQuery) -> Result<ContextRows, StoreError>;
    /// What all of a tenant's contexts come to, those that are being deleted too.
    async fn contexts_usage(&self, tenant: &TenantId) -> Result<Usage, StoreError>;
    /// Applies `change` if the row still has `epoch`, else [`StoreError::Fenced`]; [`StoreError::Exists`] when another
    /// context has the new name. Returns the row as it is then.
    async fn change_context(&self, id: &ContextId, epoch: i64, change: &ContextChange) -> Result<ContextRow, StoreError>;
    /// Notes that a file of the context is about to change, if the row still has `epoch`.
    async fn begin_context_write(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError>;
    /// The end of what [`Self::begin_context_write`] began, and what came of it, if the row still has `epoch`.
    async fn end_context_write(&self, id: &ContextId, epoch: i64, delta: UsageDelta, at: Timestamp) -> Result<(), StoreError>;
    /// Removes a row that still has `epoch`.
    async fn remove_context(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError>;
    /// The contexts that are being cleared or deleted, or whose counts may be wrong: what a starting server goes on with.
    async fn unsettled_contexts(&self) -> Result<Vec<ContextRow>, StoreError>;

    /// The secret kept under `name` for all servers on this database; `fresh` becomes it when there is none yet.
    async fn shared_secret(&self, name: &str, fresh: &[u8; 32]) -> Result<[u8; 32], StoreError>;
}
