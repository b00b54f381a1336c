//! Tool calls belong to the guest: each runs as a task of its own, whatever becomes of the connection that brought it.
//!
//! A second request with the same id joins the running call or gets its kept result. Only a cancellation or the call's
//! own time-out ends it early.

use protocol::{ToolError, ToolErrorCode, ToolOutcome};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::CallId;

/// Bounds on what the registry holds.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Calls at once; one more is refused with [`ToolErrorCode::Busy`].
    pub running: usize,
    /// Results kept for a host that lost its connection.
    pub kept: usize,
    /// Bytes of all kept results together. The newest is kept even if it alone is larger.
    pub kept_bytes: usize,
    /// How long a result is kept.
    pub kept_for: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { running: 128, kept: 256, kept_bytes: 8 << 20, kept_for: Duration::from_secs(300) }
    }
}

/// All calls of this sandbox, running and lately ended.
#[derive(Debug, Clone)]
pub struct Calls {
    limits: CallLimits,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    calls: HashMap<CallId, Call>,
    running: usize,
    /// Ended calls, oldest first.
    ended: VecDeque<Ended>,
    ended_bytes: usize,
    /// Whether a task waits for the oldest one's time.
    expiring: bool,
}

#[derive(Debug)]
struct Call {
    outcome: watch::Receiver<Option<Arc<ToolOutcome>>>,
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Ended {
    id: CallId,
    bytes: usize,
    until: Instant,
}

impl Calls {
    /// An empty registry.
    pub fn new(limits: CallLimits) -> Self {
        Self { limits, table: Arc::default() }
    }

    /// The outcome of call `id`: of the one that runs or has run under this id, else of `work`, which is started.
    /// Dropping the future leaves the call alone.
    pub async fn outcome<F>(&self, id: &CallId, work: impl FnOnce(CancellationToken) -> F) -> Arc<ToolOutcome>
    where
        F: Future<Output = ToolOutcome> + Send + 'static,
    {
        let mut outcome = match self.join_or_start(id, work) {
            Ok(outcome) => outcome,
            Err(busy) => return Arc::new(Err(busy)),
        };
        // Bound before the match, so that the watch's read lock is not held any longer.
        let ended = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        match ended {
            Ok(Some(outcome)) => outcome,
            _ => Arc::new(Err(ToolError::new(ToolErrorCode::Internal, "the call ended inside the guest without an outcome"))),
        }
    }

    /// Cancels a running call. Nothing happens if there is none.
    pub fn cancel(&self, id: &CallId) {
        if let Some(call) = self.lock().calls.get(id) {
            call.cancel.cancel();
        }
    }

    fn join_or_start<F>(
        &self,
        id: &CallId,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Result<watch::Receiver<Option<Arc<ToolOutcome>>>, ToolError>
    where
        F: Future<Output = ToolOutcome> + Send + 'static,
    {
        let mut table = self.lock();
        table.forget_expired(Instant::now());
        if let Some(call) = table.calls.get(id) {
            return Ok(call.outcome.clone());
        }
        if table.running >= self.limits.running {
            let message = format!("{} calls are running in this sandbox; wait for one to end and try again", table.running);
            return Err(ToolError::new(ToolErrorCode::Busy, message));
        }
        table.running += 1;
        let (sender, outcome) = watch::channel(None);
        let cancel = CancellationToken::new();
        table.calls.insert(id.clone(), Call { outcome: outcome.clone(), cancel: cancel.clone() });
        drop(table);

        // Inside a second task, so that even work that panics ends as an outcome.
        let work = tokio::spawn(work(cancel));
        let (calls, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let outcome = work
                .await
                .unwrap_or_else(|error| Err(ToolError::new(ToolErrorCode::Internal, format!("the tool failed inside the guest: {error}"))));
            let bytes = outcome.as_ref().map_or(0, weight);
            sender.send_replace(Some(Arc::new(outcome)));
            calls.ended(id, bytes);
        });
        Ok(outcome)
    }

    fn ended(&self, id: CallId, bytes: usize) {
        let until = Instant::now() + self.limits.kept_for;
        let mut table = self.lock();
        table.running -= 1;
        table.ended_bytes += bytes;
        table.ended.push_back(Ended { id, bytes, until });
        while table.ended.len() > self.limits.kept || (table.ended_bytes > self.limits.kept_bytes && table.ended.len() > 1) {
            table.forget_oldest();
        }
        let expiring = std::mem::replace(&mut table.expiring, true);
        drop(table);
        if !expiring {
            let calls = self.clone();
            tokio::spawn(async move { calls.expire().await });
        }
    }

    /// Forgets results as their time comes; ends when none is left.
    async fn expire(&self) {
        let next = || self.lock().next_expiry();
        while let Some(until) = next() {
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget_expired(&mut self, now: Instant) {
        while self.ended.front().is_some_and(|oldest| oldest.until <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest result's time comes; without any, nobody expires any more.
    fn next_expiry(&mut self) -> Option<Instant> {
        self.forget_expired(Instant::now());
        self.expiring = !self.ended.is_empty();
        self.ended.front().map(|oldest| oldest.until)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.ended.pop_front() {
            self.ended_bytes -= oldest.bytes;
            self.calls.remove(&oldest.id);
        }
    }
}

/// About how much memory a result takes.
fn weight(value: &Value) -> usize {
    const NODE: usize = size_of::<Value>();
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| NODE + name.len() + weight(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn id(number: usize) -> CallId {
        format!("call-{number}").parse().unwrap()
    }

    fn small() -> Calls {
        Calls::new(CallLimits { running: 2, kept: 2, kept_bytes: 4000, kept_for: Duration::from_secs(60) })
    }

    #[tokio::test(start_paused = true)]
    async fn one_id_is_one_call_while_it_runs_and_after() {
        let (calls, runs) = (small(), Arc::new(AtomicUsize::new(0)));
        let go = Arc::new(tokio::sync::Notify::new());
        let one = id(1);
        let ask = || {
            let (runs, go) = (runs.clone(), go.clone());
            calls.outcome(&one, |_| async move {
                runs.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                Ok(json!("done"))
            })
        };
        // The first asker gives up; the call goes on.
        assert!(tokio::time::timeout(Duration::from_secs(1), ask()).await.is_err());
        go.notify_one();
        assert_eq!(*ask().await, Ok(json!("done")));
        assert_eq!(*ask().await, Ok(json!("done")));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        go.notify_one();
        ask().await;
        assert_eq!(runs.load(Ordering::SeqCst), 2, "forgotten after its time");
    }

    #[tokio::test(start_paused = true)]
    async fn over_the_bound_is_busy_and_a_cancel_makes_room() {
        let calls = small();
        let forever = |cancel: CancellationToken| async move {
            cancel.cancelled().await;
            Err(ToolError::new(ToolErrorCode::Cancelled, "cancelled"))
        };
        let running: Vec<_> = (0..2)
            .map(|n| {
                tokio::spawn({
                    let calls = calls.clone();
                    async move { calls.outcome(&id(n), forever).await }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(calls.outcome(&id(9), forever).await.as_ref().as_ref().unwrap_err().code, ToolErrorCode::Busy);
        calls.cancel(&id(0));
        for (n, call) in running.into_iter().enumerate().take(1) {
            assert_eq!(call.await.unwrap().as_ref().as_ref().unwrap_err().code, ToolErrorCode::Cancelled, "{n}");
        }
        assert!(calls.outcome(&id(9), |_| async { Ok(json!(1)) }).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn kept_results_are_bounded_in_number_and_bytes() {
        let calls = small();
        for n in 0..10 {
            let _ = calls.outcome(&id(n), |_| async { Ok(json!("x".repeat(3000))) }).await;
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(calls.lock().ended.len(), 1);
        assert_eq!(calls.lock().calls.len(), 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        let table = calls.lock();
        assert_eq!((table.calls.len(), table.ended_bytes), (0, 0));
    }
}
