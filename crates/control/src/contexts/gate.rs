//! Keeping the changes of one context apart.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, RwLock};
use types::{ContextId, ContextPath};

/// Files that have one lock between them.
const STRIPES: usize = 256;
/// So many gates are kept before those that nobody holds are looked for.
const CLEAN_ABOVE: usize = 256;

/// One gate per context that is in use, locks for single files, and how many changes are under way here.
#[derive(Debug)]
pub(super) struct Gates {
    gates: Mutex<HashMap<ContextId, Weak<RwLock<()>>>>,
    under_way: Mutex<HashMap<ContextId, u32>>,
    files: Vec<AsyncMutex<()>>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { gates: Mutex::default(), under_way: Mutex::default(), files: (0..STRIPES).map(|_| AsyncMutex::default()).collect() }
    }
}

impl Gates {
    /// The context's gate: shared by whoever changes a file, exclusive for whoever changes the context's state or counts.
    pub(super) fn gate(&self, id: &ContextId) -> Arc<RwLock<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(id).and_then(Weak::upgrade) {
            return gate;
        }
        if gates.len() >= CLEAN_ABOVE {
            gates.retain(|_, gate| gate.strong_count() > 0);
        }
        let gate = Arc::new(RwLock::new(()));
        gates.insert(id.clone(), Arc::downgrade(&gate));
        gate
    }

    /// One file at a time: what it had before it changed is then known.
    pub(super) async fn file(&self, id: &ContextId, path: &ContextPath) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (id, path).hash(&mut hasher);
        let stripe = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        self.files[stripe].lock().await
    }

    /// A change of a file has begun; told by who holds the gate.
    pub(super) fn started(&self, id: &ContextId) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default() += 1;
    }

    /// A change of a file has ended; told by who holds the gate.
    pub(super) fn ended(&self, id: &ContextId) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(id);
            }
        }
    }

    /// Changes of files of a context that are under way in this server.
    pub(super) fn under_way(&self, id: &ContextId) -> u32 {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_context_has_one_gate_as_long_as_somebody_holds_it() {
        let gates = Gates::default();
        let id = |n: usize| format!("SdkCtx-{n}").parse::<ContextId>().unwrap();
        let first = gates.gate(&id(0));
        let held = first.read().await;
        for n in 1..2 * CLEAN_ABOVE {
            gates.gate(&id(n));
        }
        assert!(gates.gate(&id(0)).try_write().is_err(), "the same gate");
        assert!(gates.gate(&id(0)).try_read().is_ok());
        assert!(gates.gate(&id(1)).try_write().is_ok(), "another one");
        drop(held);
        assert!(gates.gates.lock().unwrap().len() <= CLEAN_ABOVE + 1);
    }
}
