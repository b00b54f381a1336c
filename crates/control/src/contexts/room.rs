//! How much a tenant may still put into its contexts, with what is on its way counted in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use types::{ErrorCode, Fault, TenantId};

/// Bytes on their way, by tenant.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    reserved: Mutex<HashMap<TenantId, u64>>,
}

/// Room that one file takes while it is on its way.
#[derive(Debug)]
pub(super) struct Room {
    rooms: Arc<Rooms>,
    tenant: TenantId,
    /// What the tenant may have on its way in all.
    free: u64,
    limit: u64,
    taken: u64,
}

impl Rooms {
    /// Room for files of a tenant that has `used` of its `limit` bytes.
    pub(super) fn open(self: &Arc<Self>, tenant: &TenantId, used: u64, limit: u64) -> Room {
        Room { rooms: self.clone(), tenant: tenant.clone(), free: limit.saturating_sub(used), limit, taken: 0 }
    }
}

impl Room {
    /// Makes the room `bytes` large in all; less than it is already changes nothing.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Fault> {
        let more = bytes.saturating_sub(self.taken);
        if more == 0 {
            return Ok(());
        }
        let mut reserved = self.rooms.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = reserved.entry(self.tenant.clone()).or_default();
        if sum.saturating_add(more) > self.free {
            if *sum == 0 {
                reserved.remove(&self.tenant);
            }
            let text = format!(
                "the contexts of this tenant may hold {} bytes in all, and the file does not fit in what is left; delete files or \
                 contexts that are not needed",
                self.limit
            );
            return Err(Fault::new(ErrorCode::ResourceExhausted, text));
        }
        *sum += more;
        self.taken += more;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut reserved = self.rooms.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = reserved.get_mut(&self.tenant) {
            *sum = sum.saturating_sub(self.taken);
            if *sum == 0 {
                reserved.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_counts_and_is_given_back() {
        let rooms = Arc::<Rooms>::default();
        let (one, other): (TenantId, TenantId) = ("tenant-one".parse().unwrap(), "tenant-other".parse().unwrap());
        let mut first = rooms.open(&one, 40, 100);
        first.grow(50).unwrap();
        first.grow(30).unwrap();
        let mut second = rooms.open(&one, 40, 100);
        assert_eq!(second.grow(11).unwrap_err().code(), ErrorCode::ResourceExhausted);
        second.grow(10).unwrap();
        assert!(first.grow(51).is_err());
        rooms.open(&other, 0, 100).grow(100).unwrap();
        drop(first);
        second.grow(60).unwrap();
        drop(second);
        assert!(rooms.open(&one, 200, 100).grow(1).is_err());
        assert!(rooms.reserved.lock().unwrap().is_empty(), "who puts nothing costs nothing");
    }
}
