//! The live sessions of this server, by tenant and id.

use super::handle::Handle;
use crate::{engine, fault};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use types::{ErrorCode, Fault, SandboxId, SessionId, TenantId};

/// Finds sessions and counts them.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    owners: TaskTracker,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<SessionId, Arc<Handle>>,
    aliases: HashMap<(TenantId, String), SessionId>,
    per_tenant: HashMap<TenantId, u32>,
    closed: bool,
}

impl Registry {
    /// The tenant's live session. A foreign one and an unknown one are the same.
    pub(crate) fn find(&self, tenant: &TenantId, id: &SessionId) -> Result<Arc<Handle>, Fault> {
        let found = self.lock().live.get(id).filter(|handle| handle.tenant == *tenant).cloned();
        found.ok_or_else(|| fault::no_session(id))
    }

    /// The tenant's live session that it calls `alias`.
    pub(crate) fn find_alias(&self, tenant: &TenantId, alias: &str) -> Option<Arc<Handle>> {
        self.lock().alias(tenant, alias)
    }

    /// Takes a new session in, if its tenant may have one more than it has. Checked and counted in one step, so that no
    /// number of concurrent creations exceeds the limit.
    pub(crate) fn enter(self: &Arc<Self>, handle: Arc<Handle>, limit: u32) -> Result<Place, Fault> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(engine::going_away());
        }
        if let Some(alias) = handle.alias.as_deref().filter(|alias| inner.alias(&handle.tenant, alias).is_some()) {
            return Err(Fault::new(ErrorCode::FailedPrecondition, format!("a live session is called {alias:?} already")));
        }
        let live = inner.per_tenant.entry(handle.tenant.clone()).or_default();
        if *live >= limit {
            let text = format!("this tenant has {live} live sessions, which is its limit; delete some or wait until they end");
            return Err(Fault::new(ErrorCode::ResourceExhausted, text));
        }
        *live += 1;
        if let Some(alias) = handle.alias.clone() {
            inner.aliases.insert((handle.tenant.clone(), alias), handle.id.clone());
        }
        inner.live.insert(handle.id.clone(), handle.clone());
        Ok(Place { registry: self.clone(), handle, stays: false })
    }

    /// Every live session.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.lock().live.values().cloned().collect()
    }

    /// The owner's proof that it is at work; [`Self::all_left`] waits for it to be dropped.
    pub(crate) fn owner_token(&self) -> TaskTrackerToken {
        self.owners.token()
    }

    /// Takes no more sessions in and says how many there are.
    pub(crate) fn close(&self) -> usize {
        let mut inner = self.lock();
        inner.closed = true;
        inner.live.len()
    }

    /// Waits until no owner is at work.
    pub(crate) async fn all_left(&self) {
        self.owners.close();
        self.owners.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// One that is about to leave counts no more.
    fn alias(&self, tenant: &TenantId, alias: &str) -> Option<Arc<Handle>> {
        let id = self.aliases.get(&(tenant.clone(), alias.to_owned()))?;
        self.live.get(id).filter(|handle| handle.state().is_live()).cloned()
    }
}

/// A live session's place in the registry. Dropping it makes the session unknown to everybody.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    handle: Arc<Handle>,
    stays: bool,
}

impl Place {
    /// Leaves the session known though its owner goes, because it lives on without this server: who asks for it is to
    /// hear that the server stops, not that the session does not exist.
    pub(super) fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let mut inner = self.registry.lock();
        inner.live.remove(&self.handle.id);
        if let Some(alias) = self.handle.alias.clone() {
            let name = (self.handle.tenant.clone(), alias);
            // A later session may have the name by now.
            if inner.aliases.get(&name) == Some(&self.handle.id) {
                inner.aliases.remove(&name);
            }
        }
        if let Some(live) = inner.per_tenant.get_mut(&self.handle.tenant) {
            *live -= 1;
            if *live == 0 {
                inner.per_tenant.remove(&self.handle.tenant);
            }
        }
    }
}

/// The sandboxes that somebody answers for: a sandbox that is here is never taken for one left behind.
///
/// Claimed before it is made, given up after it was destroyed; never given up when another server owns it.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashSet<SandboxId>>);

impl Claims {
    pub(crate) fn add(&self, id: SandboxId) {
        self.lock().insert(id);
    }

    pub(crate) fn give_up(&self, id: &SandboxId) {
        self.lock().remove(id);
    }

    pub(crate) fn contains(&self, id: &SandboxId) -> bool {
        self.lock().contains(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<SandboxId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
