//! Descriptors are what runs out first. All sandboxes share those of the process, and none is opened without a permit, so
//! that a new sandbox and the control socket find some when a hostile one has taken all it may.

use std::io;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For the program itself: standard streams, control, runtime, route look-ups, resolv.conf, a message's descriptors, and
/// connections that were accepted only to be reset.
const OWN: u64 = 128;

/// The descriptors left.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

/// Descriptors set aside; dropping it gives them back.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Budget {
    /// Raises the limit of open files as far as it goes and takes it all, less what the program itself needs.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        if hard <= 2 * OWN {
            return Err(io::Error::other(format!("{hard} is too low, {} are needed at least; raise the hard limit", 2 * OWN)));
        }
        // A limit beyond this is no limit; Linux stops near a thousand million by itself.
        Ok(Self::with((hard - OWN).min(1 << 30) as usize))
    }

    fn with(descriptors: usize) -> Self {
        Self(Arc::new(Semaphore::new(descriptors.min(Semaphore::MAX_PERMITS))))
    }

    /// Sets `count` aside if so many are left.
    pub(crate) fn take(&self, count: u32) -> Option<Permit> {
        Arc::clone(&self.0).try_acquire_many_owned(count).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::with(5);
        let four = budget.take(4).expect("there are five");
        assert!(budget.take(2).is_none());
        drop(four);
        assert!(budget.take(5).is_some());
    }
}
