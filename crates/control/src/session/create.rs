//! Making a session: row and sandbox side by side, then "it runs" in the row. What fails half-way is undone by the
//! session's owner on the same path on which sessions end.

use super::machine::{Event, Phase};
use super::owner::Owner;
use super::types::{CreateSession, Lifetime, SessionView};
use crate::engine::Engine;
use crate::{ControlConfig, OpContext, fault, time};
use runtime::{RuntimeError, SandboxFacts, SandboxSpec};
use std::sync::Arc;
use std::time::Duration;
use store::{SessionChange, SessionRow};
use tokio::sync::oneshot;
use tracing::Instrument;
use types::{EndReason, ErrorCode, Fault, SandboxId, SessionId, SessionState};

/// Shortest and longest time that a client may ask for, idle or in all.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes a session and returns when it can be used. When the caller leaves, the session is undone.
pub(crate) async fn create(engine: &Arc<Engine>, cx: &OpContext, request: CreateSession) -> Result<SessionView, Fault> {
    engine.check_serving()?;
    let name = request.image.as_deref().unwrap_or(engine.config.default_image.as_str());
    let image = engine.images.find(name).await?;
    let (idle_timeout, max_life) = lifetime(&engine.config, request.lifetime)?;
    let now = engine.clock.now();
    let sandbox = SandboxId::generate(&*engine.entropy);
    let row = SessionRow {
        id: SessionId::generate(&*engine.entropy),
        tenant: cx.identity.tenant.clone(),
        node: engine.node.clone(),
        epoch: 1,
        state: SessionState::Creating,
        image: image.id.clone(),
        // Named before it is made, so that whoever finds the row after a crash knows what to destroy.
        sandbox: Some(sandbox.clone()),
        limits: engine.config.limits,
        labels: request.labels,
        client: request.client,
        alias: request.alias,
        created_at: now,
        active_at: now,
        idle_timeout,
        expires_at: max_life.map(|life| time::after(now, life)),
        ended_at: None,
        end_reason: None,
    };
    let span = tracing::info_span!("session", session = %row.id, sandbox = %sandbox);
    let mut owner = Owner::new(engine, &row, sandbox, Some(image), Phase::Creating);
    if let Err(full) = owner.enter(engine.config.sessions_per_tenant) {
        engine.claims.give_up(&owner.handle().sandbox);
        return Err(full);
    }
    let (reply, answer) = oneshot::channel();
    tokio::spawn(make_and_own(owner, row, cx.request.clone(), reply).instrument(span));
    answer.await.unwrap_or_else(|_| Err(crate::engine::going_away()))
}

async fn make_and_own(mut owner: Owner, row: SessionRow, request: types::RequestId, reply: oneshot::Sender<Result<SessionView, Fault>>) {
    let started = std::time::Instant::now();
    match make(owner.engine(), &row, &owner.handle().sandbox).await {
        Ok(facts) => {
            owner.set_sandbox(facts);
            owner.handle().work.touch();
            owner.happen(Event::Ready).await;
            tracing::info!(%request, image = %row.image, took = ?started.elapsed(), "session created");
            if reply.send(Ok(owner.handle().view())).is_ok() {
                owner.run().await;
                return;
            }
            tracing::info!(%request, "the client left before its session was there; undoing it");
        }
        Err(fault) => {
            tracing::warn!(%request, image = %row.image, error = fault.chain(), "session could not be created; undoing it");
            // The client need not wait for the undoing.
            let _ = reply.send(Err(fault));
        }
    }
    owner.happen(Event::End(EndReason::CreateFailed)).await;
}

/// The steps. On failure any of them may have happened.
async fn make(engine: &Engine, row: &SessionRow, sandbox: &SandboxId) -> Result<SandboxFacts, Fault> {
    const OPERATION: &str = "creating a session";
    let limit = engine.config.timings.create;
    let spec = SandboxSpec { id: sandbox.clone(), image: row.image.clone(), limits: row.limits, output: engine.config.output };
    // Side by side: should the server die in between, a sandbox without a row is swept away and a row without a sandbox
    // is rolled back. Both run to their end whatever the other does, so that nothing is under way when the undoing begins.
    let (added, made) = tokio::join!(engine.store.add_session(row), tokio::time::timeout(limit, engine.runtime.create(spec)));
    added.map_err(|e| fault::store(OPERATION, e))?;
    let facts = match made {
        Ok(Ok(facts)) => facts,
        Ok(Err(error @ RuntimeError::NoImage(_))) => {
            engine.images.refresh().await?;
            return Err(engine.images.missing(row.image.as_str()).await.with_source(error));
        }
        Ok(Err(error)) => return Err(fault::runtime(OPERATION, error)),
        Err(_) => {
            let text = format!("{OPERATION}: its sandbox was not there within {limit:?}; try again later");
            return Err(Fault::new(ErrorCode::Unavailable, text));
        }
    };
    let running = SessionChange { state: Some(SessionState::Running), ..Default::default() };
    engine.store.change_session(&row.id, row.epoch, &running).await.map_err(|e| fault::store(OPERATION, e))?;
    Ok(facts)
}

/// Idle time and maximum life of a new session.
fn lifetime(config: &ControlConfig, wish: Lifetime) -> Result<(Option<Duration>, Option<Duration>), Fault> {
    match wish {
        Lifetime::Default => Ok((config.idle.idle, config.idle.max_life)),
        Lifetime::Manual => Ok((None, None)),
        Lifetime::Limits { idle, max_life } => {
            check_duration("the idle time", idle)?;
            check_duration("the maximum life", max_life)?;
            Ok((idle.or(config.idle.idle), max_life.or(config.idle.max_life)))
        }
    }
}

fn check_duration(what: &str, duration: Option<Duration>) -> Result<(), Fault> {
    match duration {
        Some(duration) if !(SHORTEST..=LONGEST).contains(&duration) => {
            let text = format!(
                "{what} of a session must be between 1 second and 30 days; got {duration:?}. Leave it out for the server's default"
            );
            Err(Fault::invalid(text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_fall_back_part_by_part_and_absurd_ones_are_refused() {
        let config = ControlConfig::default();
        let (idle, max_life) = (config.idle.idle, config.idle.max_life);
        let hour = Some(Duration::from_secs(3600));
        let limits = |idle, max_life| Lifetime::Limits { idle, max_life };
        let cases = [
            (Lifetime::Default, Some((idle, max_life))),
            (Lifetime::Manual, Some((None, None))),
            (limits(hour, None), Some((hour, max_life))),
            (limits(None, hour), Some((idle, hour))),
            (limits(Some(SHORTEST), Some(LONGEST)), Some((Some(SHORTEST), Some(LONGEST)))),
            (limits(Some(Duration::ZERO), None), None),
            (limits(None, Some(Duration::from_millis(999))), None),
            (limits(Some(LONGEST + SHORTEST), None), None),
            (limits(None, Some(Duration::MAX)), None),
        ];
        for (wish, expected) in cases {
            assert_eq!(lifetime(&config, wish).ok(), expected, "{wish:?}");
        }
    }
}
