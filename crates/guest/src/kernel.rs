//! `run_code`: one Jupyter kernel per language, made at first use, whose state is kept between calls.
//!
//! Each language has a worker that owns its kernel and runs one piece of code after the other, in the order they came.
//! Code belongs to its worker from then on: a caller that goes away loses the output, not the work.
//!
//! A kernel's program runs as the user, and what is in it is anybody's code. So nothing it says is waited for without a
//! limit or kept without a bound, and only what is signed with its key and answers the request under way counts.

mod assign;
mod display;
mod message;
mod output;
mod running;
mod spec;
mod start;
mod zmtp;

pub(crate) use output::Output;

use crate::process::Processes;
use output::{Kept, Nowhere};
use protocol::tools::code::{CodeError, DEFAULT_TIMEOUT_S, Language, MAX_TIMEOUT_S, RunCodeArgs, RunCodeResult};
use protocol::{ToolError, ToolErrorCode};
use running::{Kernel, Ran, Stopped};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use types::OutputLimit;

/// Pieces of code that may wait for one language's kernel; one more is refused with [`ToolErrorCode::Busy`].
pub const MAX_WAITING: usize = 16;
/// Longest code, bytes.
pub const MAX_CODE: usize = 4 << 20;
/// How long a kernel may take to set variables of its environment.
const ASSIGN_WITHIN: Duration = Duration::from_secs(5);

/// The kernels of this sandbox.
#[derive(Debug)]
pub struct Kernels {
    processes: Arc<Processes>,
    limit: OutputLimit,
    workers: Mutex<HashMap<Language, mpsc::Sender<Job>>>,
}

/// What came of code, besides its output.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) error: Option<CodeError>,
    pub(crate) execution_count: u32,
    pub(crate) execution_time_s: f64,
    pub(crate) timed_out: bool,
    pub(crate) state_lost: bool,
}

/// A piece of code that waits for its kernel.
#[derive(Debug)]
struct Job {
    code: String,
    limit: Duration,
    output: Box<dyn Output>,
    cancel: CancellationToken,
    /// Taken by whoever is first: the worker that runs it, or the caller that gives up waiting.
    taken: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Ended, ToolError>>,
}

impl Kernels {
    /// Kernels that are started as code needs them; of each piece's output streams `limit` is kept.
    pub fn new(processes: Arc<Processes>, limit: OutputLimit) -> Self {
        Self { processes, limit, workers: Mutex::default() }
    }

    /// Runs code and keeps its output.
    ///
    /// # Errors
    /// The code could not be run, or was cancelled. What the code itself does wrong stands in the result.
    pub async fn run(&self, args: RunCodeArgs, cancel: CancellationToken) -> Result<RunCodeResult, ToolError> {
        let kept = Kept::new(self.limit);
        let Ended { error, execution_count, execution_time_s, timed_out, state_lost } =
            self.run_with(args, Box::new(kept.clone()), cancel).await?;
        Ok(RunCodeResult { error, execution_count, execution_time_s, timed_out, state_lost, ..kept.take() })
    }

    /// Runs code whose output goes to `output` as it comes. It is at its worker when the future was first polled, and
    /// goes on when the future is dropped.
    pub(crate) async fn run_with(&self, args: RunCodeArgs, output: Box<dyn Output>, cancel: CancellationToken) -> Result<Ended, ToolError> {
        let RunCodeArgs { code, language, timeout_s } = args;
        let limit = time_limit(timeout_s)?;
        if code.len() > MAX_CODE {
            let message = format!("the code has {} bytes; at most {MAX_CODE} can be run, write the rest to a file", code.len());
            return Err(ToolError::new(ToolErrorCode::TooLarge, message));
        }
        let (reply, replied) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        let job = Job { code, limit, output, cancel: cancel.clone(), taken: taken.clone(), reply };
        self.worker(language).try_send(job).map_err(|_| {
            let message = format!("{MAX_WAITING} pieces of {} wait to be run in this sandbox already; try again later", language.as_str());
            ToolError::new(ToolErrorCode::Busy, message)
        })?;
        let given_up = async {
            cancel.cancelled().await;
            if taken.swap(true, Ordering::AcqRel) {
                // It runs; its worker interrupts it and says how that went.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            outcome = replied => outcome.unwrap_or_else(|_| Err(ToolError::new(ToolErrorCode::Internal, "the code's worker failed inside the guest"))),
            () = given_up => Err(ToolError::new(ToolErrorCode::Cancelled, "the call was cancelled before its code was run")),
        }
    }

    fn worker(&self, language: Language) -> mpsc::Sender<Job> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = workers.get(&language).filter(|worker| !worker.is_closed()) {
            return worker.clone();
        }
        let (sender, jobs) = mpsc::channel(MAX_WAITING);
        tokio::spawn(Worker { language, processes: self.processes.clone(), kernel: None, lost: false }.work(jobs));
        workers.insert(language, sender.clone());
        sender
    }
}

fn time_limit(timeout_s: Option<f64>) -> Result<Duration, ToolError> {
    let seconds = timeout_s.unwrap_or(DEFAULT_TIMEOUT_S);
    if seconds > 0.0 && seconds <= MAX_TIMEOUT_S {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ToolError::invalid(format!("timeout_s is {seconds}; it must be more than 0 and at most {MAX_TIMEOUT_S}")))
}

/// Owns a language's kernel.
#[derive(Debug)]
struct Worker {
    language: Language,
    processes: Arc<Processes>,
    kernel: Option<Kernel>,
    /// Whether a kernel died while no code ran, which nobody was told yet.
    lost: bool,
}

impl Worker {
    async fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let job = tokio::select! {
                biased;
                () = dies(&mut self.kernel) => {
                    self.kernel = None;
                    self.lost = true;
                    continue;
                }
                job = jobs.recv() => job,
            };
            let Some(mut job) = job else { return };
            let outcome = self.run(&mut job).await;
            // Whoever waited may have gone.
            let _ = job.reply.send(outcome);
        }
    }

    async fn run(&mut self, job: &mut Job) -> Result<Ended, ToolError> {
        if job.cancel.is_cancelled() {
            return Err(cancelled("the call was cancelled before its code was run"));
        }
        let mut kernel = self.ready(job.output.as_mut()).await?;
        if job.taken.swap(true, Ordering::AcqRel) {
            self.kernel = Some(kernel);
            return Err(cancelled("the call was cancelled before its code was run"));
        }
        let ran = kernel.run(&job.code, false, job.limit, &job.cancel, job.output.as_mut()).await;
        if ran.alive {
            self.kernel = Some(kernel);
        }
        let lost_before = std::mem::take(&mut self.lost);
        ended(ran, job.limit, lost_before)
    }

    /// The kernel, started if there is none, with the session's variables as they are now.
    async fn ready(&mut self, output: &mut dyn Output) -> Result<Kernel, ToolError> {
        if let Some(mut kernel) = self.kernel.take() {
            if self.assign(&mut kernel).await {
                return Ok(kernel);
            }
            self.lost = true;
        }
        output.starting();
        start::start(&self.processes, self.language).await
    }

    /// Gives the kernel the variables that were set since it last got some. Whether it lives.
    async fn assign(&self, kernel: &mut Kernel) -> bool {
        let variables = &self.processes.variables;
        let (version, changed) = (variables.version(), variables.changed_since(kernel.variables));
        kernel.variables = version;
        if changed.is_empty() {
            return true;
        }
        let Some(code) = assign::code(self.language, &changed) else { return true };
        // An error means that the code before has broken the kernel's own means. That is the user's to see and mend.
        kernel.run(&code, true, ASSIGN_WITHIN, &CancellationToken::new(), &mut Nowhere).await.alive
    }
}

async fn dies(kernel: &mut Option<Kernel>) {
    match kernel {
        Some(kernel) => kernel.dies().await,
        None => std::future::pending().await,
    }
}

fn ended(ran: Ran, limit: Duration, lost_before: bool) -> Result<Ended, ToolError> {
    let fate =
        if ran.alive { "was interrupted; the kernel's state is kept" } else { "did not stop; the kernel was killed and its state is lost" };
    let error = match ran.stopped {
        Some(Stopped::Cancelled) => return Err(cancelled(&format!("the code was cancelled and {fate}"))),
        Some(Stopped::TimedOut) => Some(CodeError {
            name: "TimeoutError".into(),
            value: format!("the code ran longer than its limit of {} s and {fate}", limit.as_secs_f64()),
            traceback: ran.error.map(|error| error.traceback).unwrap_or_default(),
        }),
        None => ran.error,
    };
    Ok(Ended {
        error,
        execution_count: ran.execution_count.unwrap_or(0),
        execution_time_s: ran.time.as_secs_f64(),
        timed_out: ran.stopped.is_some(),
        state_lost: lost_before || !ran.alive,
    })
}

fn cancelled(message: &str) -> ToolError {
    ToolError::new(ToolErrorCode::Cancelled, message)
}
