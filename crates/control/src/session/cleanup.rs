//! Clean-up is tried with longer and longer pauses and never given up, because what is left behind would be left for
//! good. Only the end of the server interrupts it; the next start goes on.

use crate::Timings;
use crate::engine::{self, Engine, Mode};
use runtime::RuntimeError;
use std::time::Duration;
use tokio::sync::watch;
use types::SandboxId;

/// The server stops.
#[derive(Debug)]
pub(super) struct Stopped;

/// The pauses of one piece of clean-up.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
    mode: watch::Receiver<Mode>,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(engine: &Engine) -> Self {
        let Timings { retry_first, retry_max, .. } = engine.config.timings;
        Self { next: retry_first, longest: retry_max, mode: engine.mode(), failures: 0 }
    }

    /// Notes a failure and waits before the next try.
    pub(super) async fn pause(&mut self, doing: &str, error: &str) -> Result<(), Stopped> {
        self.failures = self.failures.saturating_add(1);
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        tracing::warn!(failures = self.failures, next_try_in = ?pause, error, "{doing} failed; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = engine::stopping(&mut self.mode) => Err(Stopped),
        }
    }
}

/// Destroys a sandbox, however often it must be tried.
pub(super) async fn destroy(engine: &Engine, sandbox: &SandboxId) -> Result<(), Stopped> {
    let limit = engine.config.timings.destroy;
    let mut backoff = Backoff::new(engine);
    loop {
        let error = match tokio::time::timeout(limit, engine.runtime.destroy(sandbox)).await {
            Ok(Ok(()) | Err(RuntimeError::NoSandbox(_))) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => RuntimeError::Unavailable { reason: format!("no answer within {limit:?}") },
        };
        backoff.pause("destroying a sandbox", &types::error_chain(&error)).await?;
    }
}
