//! A store that fails when told to, for tests of what is above it.

use crate::{
    ContextChange, ContextQuery, ContextRow, ContextRows, KeyRow, MetadataStore, Page, PageQuery, SessionChange, SessionRow, StoreError,
    TenantRow, Usage, UsageDelta,
};
use async_trait::async_trait;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use types::{ContextId, KeyId, NodeId, SessionId, TenantId, Timestamp};

/// The operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreOp {
    /// [`MetadataStore::add_session`].
    AddSession,
    /// [`MetadataStore::change_session`].
    ChangeSession,
    /// [`MetadataStore::end_context_write`].
    EndContextWrite,
}

/// When an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Not this time.
    None,
    /// Before it has done anything.
    Before,
    /// After it has done everything: the caller hears of a failure that was none.
    After,
}

/// Another store, with failures.
#[derive(Debug)]
pub struct FailingStore<S> {
    inner: S,
    faults: Mutex<BTreeMap<StoreOp, VecDeque<StoreFault>>>,
}

impl<S: MetadataStore> FailingStore<S> {
    /// A store that does not fail yet.
    pub fn new(inner: S) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// Decides about the next calls of `op`, one per entry of `faults`.
    pub fn fail_next(&self, op: StoreOp, faults: impl IntoIterator<Item = StoreFault>) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(op).or_default().extend(faults);
    }

    /// Forgets the failures that are still to come.
    pub fn calm(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn faulty(&self, op: StoreOp, work: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
        let fault = self.faults.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&op).and_then(VecDeque::pop_front);
        let failure = || Err(StoreError::Database { doing: "failing as told", source: format!("{op:?}").into() });
        match fault {
            None | Some(StoreFault::None) => work.await,
            Some(StoreFault::Before) => failure(),
            Some(StoreFault::After) => {
                work.await?;
                failure()
            }
        }
    }
}

#[async_trait]
impl<S: MetadataStore> MetadataStore for FailingStore<S> {
    async fn add_tenant(&self, tenant: &TenantRow) -> Result<(), StoreError> {
        self.inner.add_tenant(tenant).await
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Option<TenantRow>, StoreError> {
        self.inner.tenant_by_name(name).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.inner.tenants().await
    }

    async fn add_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        self.inner.add_key(key).await
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<KeyRow>, StoreError> {
        self.inner.key_by_hash(hash).await
    }

    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<KeyRow>, StoreError> {
        self.inner.keys(tenant).await
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.inner.revoke_key(id, at).await
    }

    async fn add_session(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.faulty(StoreOp::AddSession, self.inner.add_session(row)).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.inner.session(tenant, id).await
    }

    async fn change_session(&self, id: &SessionId, epoch: i64, change: &SessionChange) -> Result<(), StoreError> {
        self.faulty(StoreOp::ChangeSession, self.inner.change_session(id, epoch, change)).await
    }

    async fn page_sessions(&self, tenant: &TenantId, query: &PageQuery) -> Result<Page, StoreError> {
        self.inner.page_sessions(tenant, query).await
    }

    async fn count_live(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.inner.count_live(tenant).await
    }

    async fn adopt_sessions(&self, node: &NodeId) -> Result<Vec<SessionRow>, StoreError> {
        self.inner.adopt_sessions(node).await
    }

    async fn forget_finished(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.forget_finished(before).await
    }

    async fn add_context(&self, row: &ContextRow) -> Result<(), StoreError> {
        self.inner.add_context(row).await
    }

    async fn context(&self, tenant: &TenantId, id: &ContextId) -> Result<Option<ContextRow>, StoreError> {
        self.inner.context(tenant, id).await
    }

    async fn context_by_name(&self, tenant: &TenantId, name: &str) -> Result<Option<ContextRow>, StoreError> {
        self.inner.context_by_name(tenant, name).await
    }

    async fn page_contexts(&self, tenant: &TenantId, query: &ContextQuery) -> Result<ContextRows, StoreError> {
        self.inner.page_contexts(tenant, query).await
    }

    async fn contexts_usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        self.inner.contexts_usage(tenant).await
    }

    async fn change_context(&self, id: &ContextId, epoch: i64, change: &ContextChange) -> Result<ContextRow, StoreError> {
        self.inner.change_context(id, epoch, change).await
    }

    async fn begin_context_write(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
        self.inner.begin_context_write(id, epoch).await
    }

    async fn end_context_write(&self, id: &ContextId, epoch: i64, delta: UsageDelta, at: Timestamp) -> Result<(), StoreError> {
        self.faulty(StoreOp::EndContextWrite, self.inner.end_context_write(id, epoch, delta, at)).await
    }

    async fn remove_context(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
        self.inner.remove_context(id, epoch).await
    }

    async fn unsettled_contexts(&self) -> Result<Vec<ContextRow>, StoreError> {
        self.inner.unsettled_contexts().await
    }

    async fn shared_secret(&self, name: &str, fresh: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        self.inner.shared_secret(name, fresh).await
    }
}
