//! The `shell` tool: a command line, its output, its true exit code, and nothing of it left after a time-out.

mod output;

use crate::process::{Process, Processes, Program};
use output::Capture;
use protocol::tools::shell::{DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, ShellArgs, ShellResult, TIMEOUT_EXIT_CODE};
use protocol::{CallMeta, ToolError, ToolErrorCode};
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use types::OutputLimit;

/// What all commands of a sandbox share.
#[derive(Debug)]
pub struct Shell {
    processes: Arc<Processes>,
    output: OutputLimit,
}

enum End {
    Exited(i32),
    NotStarted(ToolError),
    TimedOut,
    Cancelled,
}

/// The arguments that run a command line.
///
/// # Errors
/// A NUL byte in it.
pub fn command_line(command: String) -> Result<Vec<CString>, ToolError> {
    let no_nul = |_| ToolError::invalid("command contains a NUL byte; a command line cannot");
    Ok(vec![c"/bin/sh".to_owned(), c"-c".to_owned(), CString::new(command).map_err(no_nul)?])
}

impl Shell {
    /// Keeps `output` of each command.
    pub fn new(processes: Arc<Processes>, output: OutputLimit) -> Self {
        Self { processes, output }
    }

    /// Runs a command until its shell ends, `cancel` is cancelled or its time is over. What it left in the background
    /// lives on after a normal end, and is killed with it otherwise.
    pub async fn run(&self, call: &CallMeta, args: ShellArgs, cancel: &CancellationToken) -> Result<ShellResult, ToolError> {
        let limit = match args.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS) {
            ms @ 1..=MAX_TIMEOUT_MS => Duration::from_millis(ms),
            ms => return Err(ToolError::invalid(format!("timeout_ms is {ms}; it must lie between 1 and {MAX_TIMEOUT_MS}"))),
        };
        let (mut stdout, stdout_writer) = Capture::new(self.output.bytes_per_stream).map_err(internal("making a pipe"))?;
        let (mut stderr, stderr_writer) = Capture::new(self.output.bytes_per_stream).map_err(internal("making a pipe"))?;
        let mut process = self.processes.start(Program {
            id: &call.id,
            user: call.user,
            argv: command_line(args.command)?,
            envs: &args.envs,
            cwd: args.cwd.as_deref(),
            stdin: None,
            stdout: stdout_writer.as_fd(),
            stderr: stderr_writer.as_fd(),
        })?;
        // Only the command may hold the writing ends, or its end would never be seen.
        drop((stdout_writer, stderr_writer));

        let end = tokio::select! {
            biased;
            end = ends(&mut process, &mut stdout, &mut stderr) => end,
            () = cancel.cancelled() => End::Cancelled,
            () = tokio::time::sleep(limit) => End::TimedOut,
        };
        if matches!(end, End::TimedOut | End::Cancelled) {
            process.kill().await;
        }
        stdout.drain();
        stderr.drain();
        drop(process);
        let (exit_code, timed_out) = match end {
            End::Exited(code) => (code, false),
            End::TimedOut => (TIMEOUT_EXIT_CODE, true),
            End::Cancelled => {
                return Err(ToolError::new(ToolErrorCode::Cancelled, "the command was cancelled; everything it started was killed"));
            }
            End::NotStarted(error) => return Err(error),
        };
        for pipe in [stdout.left_open(), stderr.left_open()].into_iter().flatten() {
            self.processes.leave_open(pipe);
        }
        let (stdout, stdout_cut) = stdout.finish();
        let (stderr, stderr_cut) = stderr.finish();
        Ok(ShellResult { stdout, stderr, exit_code, timed_out, stdout_cut, stderr_cut })
    }
}

/// The command's own end, all output until then read.
async fn ends(process: &mut Process, stdout: &mut Capture, stderr: &mut Capture) -> End {
    if let Err(error) = process.executed().await {
        return End::NotStarted(error);
    }
    let reading = async {
        tokio::join!(stdout.pump(), stderr.pump());
        // All writers have closed; what counts is still the shell's end.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        code = process.exited() => End::Exited(code),
        () = reading => End::TimedOut,
    }
}

fn internal(doing: &'static str) -> impl Fn(io::Error) -> ToolError {
    move |error| ToolError::new(ToolErrorCode::Internal, format!("{doing} for a command failed: {error}"))
}
