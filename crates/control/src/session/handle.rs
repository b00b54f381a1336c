//! What everybody but the owner holds of a session.

use super::metrics::Meter;
use super::types::SessionView;
use super::work::{Hold, Work, WorkKind};
use crate::fault;
use crate::guest::ToolGuest;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use types::{ErrorCode, Fault, ImageManifest, Labels, SandboxId, SessionId, SessionState, TenantId, Timestamp};

/// Requests that may wait for a session's owner at once. It answers within microseconds, save while it writes a label
/// set; one more is told that the session is busy.
pub(super) const MAILBOX: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What an owner can be asked.
#[derive(Debug)]
pub(super) enum Message {
    Admit(WorkKind, Reply<Hold>),
    Touch(Reply<()>),
    SetLabels(Labels, Reply<()>),
    Delete(Reply<()>),
}

/// The outside of a session.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) sandbox: SandboxId,
    pub(crate) epoch: i64,
    /// What its tenant calls it besides its id.
    pub(crate) alias: Option<String>,
    pub(super) meter: Meter,
    /// `None` when the image has gone since the session was made; the guest then decides what it can do.
    pub(crate) image: Option<Arc<ImageManifest>>,
    pub(crate) guest: Arc<dyn ToolGuest>,
    pub(crate) work: Arc<Work>,
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) view: watch::Receiver<SessionView>,
}

impl Handle {
    /// The session as it is now.
    pub(crate) fn view(&self) -> SessionView {
        SessionView { active_at: self.work.active_at(), ..self.view.borrow().clone() }
    }

    /// Where it is in its life.
    pub(crate) fn state(&self) -> SessionState {
        self.view.borrow().state
    }

    /// Admits a piece of work, or says why not.
    pub(crate) async fn admit(&self, kind: WorkKind) -> Result<Hold, Fault> {
        self.ask(|reply| Message::Admit(kind, reply)).await
    }

    /// Keep-alive.
    pub(crate) async fn touch(&self) -> Result<(), Fault> {
        self.ask(Message::Touch).await
    }

    /// Replaces the labels.
    pub(crate) async fn set_labels(&self, labels: Labels) -> Result<(), Fault> {
        self.ask(|reply| Message::SetLabels(labels, reply)).await
    }

    /// Ends it; answered when the row says so.
    pub(crate) async fn delete(&self) -> Result<(), Fault> {
        self.ask(Message::Delete).await
    }

    /// Waits until it can be used; none when it ends before that.
    pub(crate) async fn ready(&self) -> Option<SessionView> {
        let mut view = self.view.clone();
        // An error means that its owner is gone, and with it the session.
        let state = view.wait_for(|view| view.state != SessionState::Creating).await.ok()?.state;
        state.is_live().then(|| self.view())
    }

    /// Waits until nothing is left of it.
    pub(crate) async fn finished(&self) -> Result<(), Fault> {
        let mut view = self.view.clone();
        let finished = view.wait_for(|view| view.state == SessionState::Finished).await;
        finished.map(drop).map_err(|_| {
            let text = format!("session {} is being deleted; the server stopped waiting for its end and will go on with it", self.id);
            Fault::new(ErrorCode::Unavailable, text)
        })
    }

    /// The last activity, if the database lags behind it by `lag` or by a quarter of the idle time, whichever is less:
    /// after a crash a session must not idle out because its activity was forgotten.
    pub(crate) fn unrecorded_activity(&self, lag: std::time::Duration) -> Option<Timestamp> {
        let (active, recorded) = (self.work.active_at(), self.work.recorded_at());
        let allowed = self.view.borrow().idle_timeout.map_or(lag, |idle| lag.min(idle / 4));
        (crate::time::between(recorded, active) >= allowed && active > recorded).then_some(active)
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        match self.mailbox.try_send(message(reply)) {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(self.gone())),
            Err(TrySendError::Closed(_)) => Err(self.gone()),
            Err(TrySendError::Full(_)) => {
                let text = format!("session {} is busy: {MAILBOX} requests wait for it already; try again in a moment", self.id);
                Err(Fault::new(ErrorCode::ResourceExhausted, text))
            }
        }
    }

    /// Why its owner does not answer: the session has ended, or the server is about to.
    fn gone(&self) -> Fault {
        if self.state().is_live() { crate::engine::going_away() } else { fault::no_session(&self.id) }
    }
}
