//! The task that owns one session: it alone admits work, watches the deadlines and carries out what [`machine`] decides.

use super::cleanup::{self, Backoff, Stopped};
use super::handle::{Handle, MAILBOX, Message};
use super::machine::{self, Effect, Event, Phase};
use super::metrics::Meter;
use super::registry::Place;
use super::types::SessionView;
use super::work::{Hold, Work, WorkKind};
use crate::engine::{Engine, Mode};
use crate::{fault, time};
use runtime::SandboxFacts;
use std::sync::Arc;
use std::time::Duration;
use store::{SessionChange, SessionRow, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::task_tracker::TaskTrackerToken;
use types::{EndReason, ErrorCode, Fault, ImageManifest, Labels, SandboxId, SessionState, Timestamp};

/// One session's owner.
#[derive(Debug)]
pub(super) struct Owner {
    engine: Arc<Engine>,
    handle: Arc<Handle>,
    phase: Phase,
    /// While it is there, the session can be found.
    place: Option<Place>,
    mailbox: mpsc::Receiver<Message>,
    view: watch::Sender<SessionView>,
    mode: watch::Receiver<Mode>,
    /// Who waits to hear that the row says `deleting`.
    deleter: Option<oneshot::Sender<Result<(), Fault>>>,
    _at_work: TaskTrackerToken,
}

impl Owner {
    /// An owner of the session that `row` describes, in that `phase`. Nobody can find the session yet.
    pub(super) fn new(engine: &Arc<Engine>, row: &SessionRow, sandbox: SandboxId, image: Option<Arc<ImageManifest>>, phase: Phase) -> Self {
        engine.claims.add(sandbox.clone());
        let (view, view_seen) = watch::channel(SessionView::of_row(row.clone()));
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let handle = Handle {
            id: row.id.clone(),
            tenant: row.tenant.clone(),
            epoch: row.epoch,
            alias: row.alias.clone(),
            meter: Meter::default(),
            image,
            guest: engine.guests.guest(&sandbox),
            work: Arc::new(Work::new(engine.clock.clone(), row.active_at)),
            mailbox: sender,
            view: view_seen,
            sandbox,
        };
        Self {
            engine: engine.clone(),
            handle: Arc::new(handle),
            phase,
            place: None,
            mailbox,
            view,
            mode: engine.mode(),
            deleter: None,
            _at_work: engine.sessions.owner_token(),
        }
    }

    /// Lets the session be found, if its tenant may have one more.
    pub(super) fn enter(&mut self, limit: u32) -> Result<(), Fault> {
        self.place = Some(self.engine.sessions.enter(self.handle.clone(), limit)?);
        Ok(())
    }

    /// What others hold of the session.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What all tasks share.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its sandbox is there.
    pub(super) fn set_sandbox(&self, facts: SandboxFacts) {
        self.view.send_modify(|view| view.sandbox = Some(facts));
    }

    /// Tells `deleter` when the row says that the session ends.
    pub(super) fn on_recorded(&mut self, deleter: oneshot::Sender<Result<(), Fault>>) {
        self.deleter = Some(deleter);
    }

    /// Owns the session as long as it runs and until it is cleared away, or until the server stops.
    pub(super) async fn run(mut self) {
        while self.phase == Phase::Running {
            let mode = *self.mode.borrow_and_update();
            if mode == Mode::Stopping {
                if let Some(place) = self.place.take() {
                    place.stay();
                }
                return;
            }
            if let Some(reason) = self.reason_to_end(mode) {
                self.happen(Event::End(reason)).await;
                return;
            }
            let nap = self.nap();
            let work = self.handle.work.clone();
            tokio::select! {
                Some(message) = self.mailbox.recv() => self.answer(message).await,
                () = work.woken() => {}
                _ = self.mode.changed() => {}
                () = tokio::time::sleep(nap.unwrap_or_default()), if nap.is_some() => {}
            }
        }
    }

    /// Takes an event in and does everything that follows from it.
    pub(super) async fn happen(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let (phase, effects) = machine::step(self.phase, event);
            self.phase = phase;
            for &effect in effects {
                match self.perform(effect).await {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        next = Some(event);
                        break;
                    }
                    Err(Stopped) => return,
                }
            }
            if next.is_none() {
                self.publish_state();
            }
        }
        if let Phase::Finished(reason) = self.phase {
            self.engine.claims.give_up(&self.handle.sandbox);
            tracing::info!(reason = reason.as_str(), "session ended");
        }
    }

    /// Goes on with a deletion that an earlier server began.
    pub(super) async fn resume_deleting(mut self) {
        self.publish_state();
        if cleanup::destroy(&self.engine, &self.handle.sandbox).await.is_ok() {
            self.happen(Event::Destroyed).await;
        }
    }

    async fn answer(&mut self, message: Message) {
        // An asker that is gone by now needs no answer; what it asked for is done all the same.
        match message {
            Message::Admit(kind, reply) => drop(reply.send(self.admit(kind))),
            Message::Touch(reply) => {
                self.handle.work.touch();
                let _ = reply.send(Ok(()));
            }
            Message::SetLabels(labels, reply) => {
                let done = self.set_labels(labels).await;
                let fenced = matches!(done, Err(StoreError::Fenced { .. }));
                let _ = reply.send(done.map_err(|e| fault::store("setting labels", e)));
                if fenced {
                    self.happen(Event::Fenced).await;
                }
            }
            Message::Delete(reply) => {
                self.deleter = Some(reply);
                self.happen(Event::End(EndReason::Deleted)).await;
            }
        }
    }

    fn admit(&self, kind: WorkKind) -> Result<Hold, Fault> {
        let (limit, what) = match kind {
            WorkKind::Call => (self.engine.config.calls_per_session, "tool calls running"),
            WorkKind::Stream => (self.engine.config.streams_per_session, "streams open"),
        };
        if self.handle.work.running(kind) >= limit {
            let text = format!("session {} has {limit} {what}, which is its limit; try again when one has ended", self.handle.id);
            return Err(Fault::new(ErrorCode::ResourceExhausted, text));
        }
        Ok(self.handle.work.begin(kind))
    }

    async fn set_labels(&self, labels: Labels) -> Result<(), StoreError> {
        let change = SessionChange { labels: Some(labels.clone()), ..Default::default() };
        self.engine.store.change_session(&self.handle.id, self.handle.epoch, &change).await?;
        self.view.send_modify(|view| view.labels = labels);
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<Option<Event>, Stopped> {
        match effect {
            Effect::Retire => {
                self.publish_state();
                self.place = None;
                self.handle.work.ended().cancel();
                self.mailbox.close();
                // Who asked too late finds its question dropped, and the state says why.
                while self.mailbox.try_recv().is_ok() {}
                Ok(None)
            }
            Effect::RecordDeleting => {
                let change = SessionChange {
                    state: Some(SessionState::Deleting),
                    active_at: Some(self.handle.work.active_at()),
                    end_reason: self.end_reason(),
                    ..Default::default()
                };
                self.record(change, "recording that a session ends").await
            }
            Effect::Destroy => {
                cleanup::destroy(&self.engine, &self.handle.sandbox).await?;
                Ok(Some(Event::Destroyed))
            }
            Effect::RecordFinished => {
                let change = SessionChange {
                    state: Some(SessionState::Finished),
                    ended_at: Some(self.engine.clock.now()),
                    end_reason: self.end_reason(),
                    ..Default::default()
                };
                self.record(change, "recording that a session has ended").await
            }
        }
    }

    /// Writes into the row, however often it must be tried. Until it is known whose the session is, nothing is destroyed.
    async fn record(&mut self, change: SessionChange, doing: &str) -> Result<Option<Event>, Stopped> {
        let mut backoff = Backoff::new(&self.engine);
        loop {
            match self.engine.store.change_session(&self.handle.id, self.handle.epoch, &change).await {
                // No row: its insertion failed, or it was forgotten. Then there is nothing to be said in it.
                Ok(()) | Err(StoreError::NotFound { .. }) => {
                    self.tell_deleter(Ok(()));
                    return Ok(None);
                }
                Err(error @ StoreError::Fenced { .. }) => {
                    tracing::warn!("another server owns the session now");
                    self.tell_deleter(Err(fault::store("deleting the session", error)));
                    return Ok(Some(Event::Fenced));
                }
                Err(error) => {
                    let why = types::error_chain(&error);
                    self.tell_deleter(Err(fault::store("deleting the session", error)));
                    backoff.pause(doing, &why).await?;
                }
            }
        }
    }

    fn tell_deleter(&mut self, answer: Result<(), Fault>) {
        if let Some(deleter) = self.deleter.take() {
            let _ = deleter.send(answer);
        }
    }

    fn publish_state(&self) {
        self.view.send_modify(|view| view.state = self.phase.state());
    }

    fn end_reason(&self) -> Option<EndReason> {
        match self.phase {
            Phase::Deleting(reason) | Phase::Finished(reason) => Some(reason),
            Phase::Creating | Phase::Running | Phase::Fenced => None,
        }
    }

    fn reason_to_end(&self, mode: Mode) -> Option<EndReason> {
        let now = self.engine.clock.now();
        let passed = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        if self.handle.work.is_lost() {
            Some(EndReason::SandboxLost)
        } else if mode == Mode::Ending {
            Some(EndReason::Shutdown)
        } else if passed(self.view.borrow().expires_at) {
            Some(EndReason::MaxLife)
        } else if passed(self.idle_deadline()) {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// When the session will have idled long enough; `None` while a call runs: its end wakes the owner.
    fn idle_deadline(&self) -> Option<Timestamp> {
        let idle = self.view.borrow().idle_timeout?;
        if self.handle.work.running(WorkKind::Call) > 0 {
            return None;
        }
        Some(time::after(self.handle.work.active_at(), idle))
    }

    /// How long to sleep before the deadlines are looked at again. Deadlines are wall-clock instants and the wall clock
    /// can be set, so it is never slept through to the end of a long one.
    fn nap(&self) -> Option<Duration> {
        let expires = self.view.borrow().expires_at;
        let deadline = [expires, self.idle_deadline()].into_iter().flatten().min()?;
        Some(time::between(self.engine.clock.now(), deadline).min(self.engine.config.timings.clock_recheck))
    }
}
