//! What a starting server does with the sessions that an earlier one left behind.

use super::machine::{Event, Phase};
use super::owner::Owner;
use super::{cleanup, housekeeping};
use crate::engine::Engine;
use crate::fault;
use runtime::SandboxFacts;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::SessionRow;
use tokio::sync::oneshot;
use tracing::Instrument;
use types::{EndReason, Fault, SandboxId, SessionState};

/// Brings the world in line with the database.
///
/// | row | sandbox | becomes |
/// |---|---|---|
/// | `running` | there | running; its deadlines hold |
/// | `running` | gone | ended, `sandbox_lost` |
/// | `creating` | either | rolled back, `create_failed` |
/// | `deleting` | either | ended as it was about to, in the background |
/// | `pausing`, `paused`, `resuming` | either | left alone: this server cannot thaw it, a newer one can |
/// | none | there | destroyed, in the background |
///
/// Returns when no row shows a session that is not there.
pub(crate) async fn recover(engine: &Arc<Engine>) -> Result<(), Fault> {
    const OPERATION: &str = "taking over the sessions of an earlier server";
    let mut rows = engine.store.adopt_sessions(&engine.node).await.map_err(|e| fault::store(OPERATION, e))?;
    let found = engine.sandboxes().await.map_err(|e| fault::runtime(OPERATION, e))?;
    let mut sandboxes: HashMap<SandboxId, SandboxFacts> = found.iter().map(|facts| (facts.id.clone(), facts.clone())).collect();

    let mut hidden = Vec::new();
    settle_aliases(&mut rows);
    for row in rows {
        // Every row of ours names its sandbox. For one that does not, a name that nobody has does as well: there is
        // nothing to destroy.
        let sandbox = row.sandbox.clone().unwrap_or_else(|| SandboxId::generate(&*engine.entropy));
        hidden.extend(take_over(engine, row, sandbox.clone(), sandboxes.remove(&sandbox))?);
    }
    housekeeping::sweep(engine, &found);
    for recorded in hidden {
        // Dropped unanswered when the server stops already.
        let _ = recorded.await;
    }
    Ok(())
}

/// Leaves each name to the newest running session that has it. An older one was ending when its server died, before its row
/// could say so.
fn settle_aliases(rows: &mut [SessionRow]) {
    let mut taken = HashSet::new();
    // They come oldest first.
    for row in rows.iter_mut().rev().filter(|row| row.state == SessionState::Running) {
        if row.alias.as_ref().is_some_and(|alias| !taken.insert((row.tenant.clone(), alias.clone()))) {
            row.alias = None;
        }
    }
}

/// Gives a row its owner. The answer tells when an ended session's row says so.
fn take_over(
    engine: &Arc<Engine>,
    row: SessionRow,
    sandbox: SandboxId,
    facts: Option<SandboxFacts>,
) -> Result<Option<oneshot::Receiver<Result<(), Fault>>>, Fault> {
    let span = tracing::info_span!("session", session = %row.id, sandbox = %sandbox);
    let image = engine.images.get(&row.image);
    let owner = |phase| Owner::new(engine, &row, sandbox.clone(), image.clone(), phase);
    let (mut owner, reason) = match (row.state, facts) {
        (SessionState::Running, Some(facts)) => {
            let mut owner = owner(Phase::Running);
            owner.set_sandbox(facts);
            owner.enter(u32::MAX)?;
            tokio::spawn(owner.run().instrument(span));
            return Ok(None);
        }
        (SessionState::Deleting, _) => {
            let owner = owner(Phase::Deleting(row.end_reason.unwrap_or(EndReason::Deleted)));
            tokio::spawn(owner.resume_deleting().instrument(span));
            return Ok(None);
        }
        (SessionState::Running, None) => (owner(Phase::Running), EndReason::SandboxLost),
        (SessionState::Creating, _) => (owner(Phase::Creating), EndReason::CreateFailed),
        (SessionState::Pausing | SessionState::Paused | SessionState::Resuming | SessionState::Finished, _) => {
            tracing::warn!(session = %row.id, sandbox = %sandbox, state = row.state.as_str(), "this server leaves the session alone");
            engine.claims.add(sandbox);
            return Ok(None);
        }
    };
    let (reply, recorded) = oneshot::channel();
    owner.on_recorded(reply);
    tokio::spawn(async move { owner.happen(Event::End(reason)).await }.instrument(span));
    Ok(Some(recorded))
}

/// Destroys a sandbox that nobody answers for.
pub(super) fn destroy_orphan(engine: &Arc<Engine>, sandbox: SandboxId) {
    tracing::warn!(%sandbox, "a sandbox without a session was left behind; destroying it");
    engine.claims.add(sandbox.clone());
    let (engine, token) = (engine.clone(), engine.sessions.owner_token());
    tokio::spawn(async move {
        let _at_work = token;
        if cleanup::destroy(&engine, &sandbox).await.is_ok() {
            engine.claims.give_up(&sandbox);
        }
    });
}
