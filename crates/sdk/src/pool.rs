//! A pool of sessions that are ready before they are needed.

use crate::{AgentBay, CreateSessionParams, Error, Result, Session};
use futures::StreamExt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Most sessions that a pool keeps ready.
const MAX_SIZE: usize = 100;
/// Pauses between attempts to make a session that fail.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Deletions under way at once when a pool is closed.
const PARALLEL_DELETIONS: usize = 8;

/// How many sessions a pool keeps ready, and what they are.
///
/// ```no_run
/// use roadstead_sdk::{CreateSessionParams, PoolOptions};
/// use std::time::Duration;
/// let options = PoolOptions::new(3).params(CreateSessionParams::new().image("code_latest")).keep_alive(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until a pool is made with them"]
pub struct PoolOptions {
    size: usize,
    params: CreateSessionParams,
    keep_alive: Duration,
}

impl PoolOptions {
    /// So many default sessions, 1–100, kept alive once a minute.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PoolOptions::new(3);
    /// ```
    pub fn new(size: usize) -> Self {
        Self { size, params: CreateSessionParams::new(), keep_alive: Duration::from_secs(60) }
    }

    /// What each session is to be.
    ///
    /// ```no_run
    /// # use roadstead_sdk::{CreateSessionParams, PoolOptions};
    /// let options = PoolOptions::new(3).params(CreateSessionParams::new().label("pool", "web"));
    /// ```
    pub fn params(mut self, params: CreateSessionParams) -> Self {
        self.params = params;
        self
    }

    /// How often the sessions that wait are kept alive, so that their idle time-out does not end them. Those that are
    /// gone all the same are replaced.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::PoolOptions::new(3).keep_alive(std::time::Duration::from_secs(20));
    /// ```
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = every;
        self
    }
}

/// Sessions that are ready before they are needed: a taken one is replaced in the background.
///
/// No session leaks. Each deletes itself when its last handle is dropped, in the pool and after it was taken (unless
/// [`Session::delete_on_drop`] says otherwise). [`SessionPool::close`] deletes those that wait and returns when they are
/// gone; dropping the pool deletes them in the background, for which the Tokio runtime must go on running. Should the
/// whole process be killed, the service's idle time-out ends them.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::{PoolOptions, SessionPool};
/// let pool = SessionPool::new(client, PoolOptions::new(2))?;
/// let session = pool.take().await?;
/// println!("{}", session.command().run("date").await?.stdout);
/// drop(session); // deleted
/// pool.close().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SessionPool {
    shared: Arc<Shared>,
    filler: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    client: AgentBay,
    options: PoolOptions,
    ready: Mutex<VecDeque<Session>>,
    taken: Notify,
    /// Wakes whoever waits for the pool to be full.
    filled: Notify,
}

impl SessionPool {
    /// Makes a pool and begins to fill it. Needs a Tokio runtime.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let pool = roadstead_sdk::SessionPool::new(client, roadstead_sdk::PoolOptions::new(2))?;
    /// # Ok(()) }
    /// ```
    pub fn new(client: AgentBay, options: PoolOptions) -> Result<Self> {
        options.params.check()?;
        if !(1..=MAX_SIZE).contains(&options.size) {
            return Err(Error::invalid(format!("a pool of {} sessions cannot be kept: choose 1 to {MAX_SIZE}", options.size)));
        }
        if options.keep_alive.is_zero() {
            return Err(Error::invalid("sessions cannot be kept alive every 0 s"));
        }
        let options = PoolOptions { params: options.params.delete_on_drop(true), ..options };
        let shared = Arc::new(Shared { client, options, ready: Mutex::default(), taken: Notify::new(), filled: Notify::new() });
        let filler = tokio::spawn(fill(shared.clone()));
        Ok(Self { shared, filler })
    }

    /// A session that is alive: one that waited, or, when none does, a new one. It is the caller's from now on, and
    /// deletes itself when its last handle is dropped.
    ///
    /// ```no_run
    /// # async fn example(pool: roadstead_sdk::SessionPool) -> roadstead_sdk::Result<()> {
    /// let session = pool.take().await?;
    /// # Ok(()) }
    /// ```
    pub async fn take(&self) -> Result<Session> {
        loop {
            let Some(session) = self.shared.pop() else {
                return Ok(self.shared.client.create(self.shared.options.params.clone()).await?.into_value());
            };
            self.shared.taken.notify_one();
            // It may have been released while it waited.
            match session.keep_alive().await {
                Err(Error::NotFound(_)) => session.delete_on_drop(false),
                Err(error) => return Err(error),
                Ok(_) => return Ok(session),
            }
        }
    }

    /// How many sessions wait.
    ///
    /// ```no_run
    /// # fn example(pool: roadstead_sdk::SessionPool) {
    /// println!("{} ready", pool.ready());
    /// # }
    /// ```
    pub fn ready(&self) -> usize {
        self.shared.lock().len()
    }

    /// Waits until the pool is full.
    ///
    /// ```no_run
    /// # async fn example(pool: roadstead_sdk::SessionPool) {
    /// pool.filled().await;
    /// # }
    /// ```
    pub async fn filled(&self) {
        loop {
            let mut filled = std::pin::pin!(self.shared.filled.notified());
            filled.as_mut().enable();
            if self.ready() >= self.shared.options.size {
                return;
            }
            filled.await;
        }
    }

    /// Ends the pool: deletes the sessions that wait and returns when they are gone. Sessions that were taken are not
    /// touched. All are tried; the first failure is told.
    ///
    /// ```no_run
    /// # async fn example(pool: roadstead_sdk::SessionPool) -> roadstead_sdk::Result<()> {
    /// pool.close().await?;
    /// # Ok(()) }
    /// ```
    pub async fn close(mut self) -> Result<()> {
        self.filler.abort();
        // A session that is just being made is deleted by its own request's task.
        let _ = (&mut self.filler).await;
        let waiting: Vec<Session> = self.shared.lock().drain(..).collect();
        let outcomes: Vec<Result<()>> = futures::stream::iter(waiting)
            .map(|session| async move {
                match session.delete().await {
                    Err(Error::NotFound(_)) => {
                        session.delete_on_drop(false);
                        Ok(())
                    }
                    done => done.map(drop),
                }
            })
            .buffer_unordered(PARALLEL_DELETIONS)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        self.filler.abort();
        // The task's hold on them ends some time later; the sessions' own end begins now.
        self.shared.lock().clear();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Session>> {
        self.ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn pop(&self) -> Option<Session> {
        self.lock().pop_front()
    }
}

/// Keeps the pool full and its sessions alive, for ever.
async fn fill(shared: Arc<Shared>) {
    let mut refresh = tokio::time::interval(shared.options.keep_alive);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    refresh.reset();
    let mut pause = FIRST_PAUSE;
    loop {
        while shared.lock().len() < shared.options.size {
            match shared.client.create(shared.options.params.clone()).await {
                Ok(session) => {
                    shared.lock().push_back(session.into_value());
                    pause = FIRST_PAUSE;
                }
                // Whoever takes a session meanwhile makes one directly, and is told why that fails.
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        shared.filled.notify_waiters();
        tokio::select! {
            () = shared.taken.notified() => {}
            _ = refresh.tick() => keep_alive(&shared).await,
        }
    }
}

/// Keeps the waiting sessions alive and drops those that are gone.
async fn keep_alive(shared: &Shared) {
    let waiting: Vec<Session> = shared.lock().iter().cloned().collect();
    for session in waiting {
        if matches!(session.keep_alive().await, Err(Error::NotFound(_))) {
            session.delete_on_drop(false);
            shared.lock().retain(|other| other.id() != session.id());
        }
    }
}
