//! The one place that reaps. PID 1 inherits every orphan of the sandbox and must reap it; the exit statuses of its own
//! commands pass through the same `wait`, so that none is lost and no pid is reused while somebody still waits for it.

use jailer::spawn::{Command, SpawnError, Started};
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};

/// Reaps children and tells each command's waiter how it ended.
#[derive(Debug, Clone)]
pub struct Reaper(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<HashMap<i32, oneshot::Sender<i32>>>,
    orphan_reaped: Notify,
}

impl Reaper {
    /// Starts reaping, for as long as the runtime lives. A process that is not PID 1 becomes the reaper of its
    /// descendants.
    pub fn start() -> std::io::Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let mut child_changed = signal(SignalKind::child())?;
        let shared = Arc::new(Shared::default());
        let reaper = Self(shared.clone());
        tokio::spawn(async move {
            while child_changed.recv().await.is_some() {
                shared.reap();
            }
        });
        Ok(reaper)
    }

    /// Starts a command; the receiver gets its exit code, 128 + signal number if a signal ended it.
    pub fn spawn(&self, command: &Command<'_>) -> Result<(Started, oneshot::Receiver<i32>), SpawnError> {
        // Held over the fork, so that the reaper cannot meet the child before its waiter is known.
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let started = command.start()?;
        let (sender, receiver) = oneshot::channel();
        waiting.insert(started.pid, sender);
        Ok((started, receiver))
    }

    /// Waits until a process was reaped that is no command's own: something left in the background has ended.
    pub async fn orphan_reaped(&self) {
        self.0.orphan_reaped.notified().await;
    }
}

impl Shared {
    fn reap(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => match waiting.remove(&pid.as_raw_pid()) {
                    // The waiter may have given up; the process is reaped all the same.
                    Some(waiter) => drop(waiter.send(exit_code(status))),
                    None => self.orphan_reaped.notify_one(),
                },
                Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    }
}
