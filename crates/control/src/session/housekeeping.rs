//! What is done for all sessions from time to time, off every request's path.

use super::handle::Handle;
use super::recover;
use super::work::Work;
use crate::engine::{self, Engine};
use crate::time;
use runtime::SandboxFacts;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use store::{SessionChange, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use types::{SandboxId, SessionState};

/// Runs until the server stops.
pub(crate) async fn run(engine: Arc<Engine>) {
    let timings = &engine.config.timings;
    let every = |period| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut flush_due, mut reconcile_due, mut forget_due) =
        (every(timings.flush_period), every(timings.reconcile_period), every(timings.forget_period));
    let mut mode = engine.mode();
    loop {
        tokio::select! {
            () = engine::stopping(&mut mode) => return,
            _ = flush_due.tick() => flush(&engine, timings.flush_lag).await,
            _ = reconcile_due.tick() => reconcile(&engine).await,
            _ = forget_due.tick() => forget(&engine).await,
        }
    }
}

/// Tells the database of activity that it lags behind by `lag` or more. So calls and keep-alives cost no write of their
/// own, and a killed server forgets at most that much.
pub(crate) async fn flush(engine: &Engine, lag: Duration) {
    for handle in engine.sessions.all() {
        let Some(active_at) = handle.unrecorded_activity(lag) else { continue };
        let change = SessionChange { active_at: Some(active_at), ..Default::default() };
        match engine.store.change_session(&handle.id, handle.epoch, &change).await {
            // Not there yet, or another server's: either way there is nothing to keep up to date.
            Ok(()) | Err(StoreError::NotFound { .. } | StoreError::Fenced { .. }) => handle.work.note_recorded(active_at),
            Err(error) => {
                tracing::warn!(session = %handle.id, %error, "the last activity could not be recorded; trying again");
                return;
            }
        }
    }
}

/// Destroys the sandboxes in `found` that nobody answers for.
pub(super) fn sweep(engine: &Arc<Engine>, found: &[SandboxFacts]) {
    for facts in found {
        if !engine.claims.contains(&facts.id) {
            recover::destroy_orphan(engine, facts.id.clone());
        }
    }
}

/// Whether the sandbox still exists; when that cannot be learnt, it is taken to.
pub(super) async fn is_there(engine: &Engine, sandbox: &SandboxId) -> bool {
    match engine.sandboxes().await {
        Ok(found) => found.iter().any(|facts| facts.id == *sandbox),
        Err(_) => true,
    }
}

/// A dying sandbox closes its connections a moment before the runtime misses it: asks a few times more, beside the caller.
pub(super) fn look_again(engine: &Arc<Engine>, handle: &Handle) {
    const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];
    let (engine, sandbox, work) = (engine.clone(), handle.sandbox.clone(), handle.work.clone());
    tokio::spawn(async move {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            if !is_there(&engine, &sandbox).await {
                return work.report_lost();
            }
        }
    });
}

/// Finds sessions whose sandbox died while nobody called it, and sandboxes that were made but belong to nobody.
async fn reconcile(engine: &Arc<Engine>) {
    // Taken before the list: whatever ran then must stand in the list.
    let running: Vec<(SandboxId, Arc<Work>)> = engine
        .sessions
        .all()
        .into_iter()
        .filter(|handle| handle.state() == SessionState::Running)
        .map(|handle| (handle.sandbox.clone(), handle.work.clone()))
        .collect();
    let found = match engine.sandboxes().await {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "the sandboxes could not be listed; trying again"),
    };
    let alive: HashSet<_> = found.iter().map(|facts| &facts.id).collect();
    for (sandbox, work) in &running {
        if !alive.contains(sandbox) {
            work.report_lost();
        }
    }
    sweep(engine, &found);
}

async fn forget(engine: &Engine) {
    let now = engine.clock.now();
    let before = time::before(now, engine.config.timings.keep_finished);
    match engine.store.forget_finished(before).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "forgot sessions that ended long ago"),
        Err(error) => tracing::warn!(%error, "old sessions could not be forgotten; trying again"),
    }
}
