//! Time and randomness from the operating system: the composition root is the only place that picks them.

use types::{Clock, Entropy, Timestamp};

/// The machine's wall clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The kernel's random generator.
#[derive(Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the kernel's random generator answers on every supported kernel");
    }
}
