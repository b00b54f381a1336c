//! What decisions need from outside: time and randomness. Injected, so that a run can be replayed from one seed.

use crate::Timestamp;

/// Wall-clock time. Deadlines in the database are wall-clock instants, so that they survive a restart.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The current instant, UTC.
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes for identifiers and secrets.
pub trait Entropy: Send + Sync + std::fmt::Debug + 'static {
    /// Fills `out` completely.
    fn fill(&self, out: &mut [u8]);
}
