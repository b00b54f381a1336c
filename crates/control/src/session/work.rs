//! What runs in a session and when it was last active: counters that are right even when a message would not get
//! through, because whoever holds a [`Hold`] can be dropped at any moment.

use crate::time;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use types::{Clock, Timestamp};

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkKind {
    /// A tool call: while one runs the session does not idle.
    Call,
    /// A tunnel, a terminal, a watch: its bytes are activity, its mere being open is not, because idle connections are kept open for long by
    /// browsers and proxies.
    Stream,
}

/// Shared by a session's owner, its handle and everything that works in it.
///
/// Only the owner admits work, and only the owner ends the session; so "nothing runs and the time is over" is decided
/// by one task and cannot be overtaken by an admission.
#[derive(Debug)]
pub(crate) struct Work {
    clock: Arc<dyn Clock>,
    calls: AtomicU32,
    streams: AtomicU32,
    active_ns: AtomicI64,
    recorded_ns: AtomicI64,
    lost: AtomicBool,
    wake: Notify,
    ended: CancellationToken,
}

impl Work {
    /// Nothing runs; last active at `active_at`, as the row says.
    pub(crate) fn new(clock: Arc<dyn Clock>, active_at: Timestamp) -> Self {
        let ns = time::to_ns(active_at);
        Self {
            clock,
            calls: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            active_ns: AtomicI64::new(ns),
            recorded_ns: AtomicI64::new(ns),
            lost: AtomicBool::new(false),
            wake: Notify::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Notes activity now.
    pub(crate) fn touch(&self) {
        self.active_ns.store(time::to_ns(self.clock.now()), Relaxed);
    }

    /// The last activity.
    pub(crate) fn active_at(&self) -> Timestamp {
        time::from_ns(self.active_ns.load(Relaxed))
    }

    /// The last activity that the row knows.
    pub(crate) fn recorded_at(&self) -> Timestamp {
        time::from_ns(self.recorded_ns.load(Relaxed))
    }

    /// The row knows of activity until `at`.
    pub(crate) fn note_recorded(&self, at: Timestamp) {
        self.recorded_ns.store(time::to_ns(at), Relaxed);
    }

    /// How much of `kind` there is now.
    pub(crate) fn running(&self, kind: WorkKind) -> u32 {
        self.counter(kind).load(Acquire)
    }

    /// Begins a piece of work; it ends when the answer is dropped.
    pub(crate) fn begin(self: &Arc<Self>, kind: WorkKind) -> Hold {
        self.counter(kind).fetch_add(1, AcqRel);
        self.touch();
        Hold { work: self.clone(), kind }
    }

    /// Tells the owner that the sandbox is gone.
    pub(crate) fn report_lost(&self) {
        self.lost.store(true, Relaxed);
        self.wake.notify_one();
    }

    /// Whether somebody found the sandbox gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Relaxed)
    }

    /// Waits until there may be something for the owner to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Cancelled when the session has ended for its user.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    fn counter(&self, kind: WorkKind) -> &AtomicU32 {
        match kind {
            WorkKind::Call => &self.calls,
            WorkKind::Stream => &self.streams,
        }
    }
}

/// One piece of admitted work.
#[derive(Debug)]
pub(crate) struct Hold {
    work: Arc<Work>,
    kind: WorkKind,
}

impl Hold {
    /// The session's counters.
    pub(crate) fn work(&self) -> &Work {
        &self.work
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // In this order, so that who sees the count at zero also sees the activity.
        self.work.touch();
        if self.work.counter(self.kind).fetch_sub(1, AcqRel) == 1 {
            self.work.wake.notify_one();
        }
    }
}
