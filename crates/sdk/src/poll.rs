//! Asking again and again, less and less often, but not for ever.

use std::time::Duration;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses between polls: quick at first for a near service, at most a second later.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    end: Instant,
}

impl Backoff {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { pause: FIRST_PAUSE, end: Instant::now() + limit }
    }

    /// Waits for the next poll; `false` when the time is over.
    pub(crate) async fn wait(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.end {
            return false;
        }
        tokio::time::sleep_until((now + self.pause).min(self.end)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        true
    }
}
