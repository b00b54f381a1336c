//! A command with its output as it comes.
//!
//! One loop serves everything: each of its arms may be dropped at any await without losing a byte, so a host that does
//! not read stops the program but neither its time limit, nor a signal, nor the end of the connection.

mod input;
mod output;

use super::{Hangup, Packets, say};
use crate::process::{Process, Processes, Program};
use crate::shell;
use futures::StreamExt;
use input::Input;
use output::Output;
use protocol::streams::{ExecOpen, ExecOutput};
use protocol::tools::shell::{MAX_TIMEOUT_MS, TIMEOUT_EXIT_CODE};
use protocol::{ToolError, ToolErrorCode};
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::unix::pipe::{Receiver, Sender};

/// Runs the command to its end, or to the end of the connection: that kills it and everything it started.
pub(super) async fn serve(packets: Packets, open: ExecOpen, processes: &Processes) {
    let Ok(hangup) = Hangup::of(packets.get_ref()) else { return };
    let (mut host, from_host) = packets.split();
    let (mut process, pipes, limit) = match start(open, processes) {
        Ok(started) => started,
        Err(error) => {
            let _ = say(&mut host, &ExecOutput::Failed { error }).await;
            return;
        }
    };
    let mut input = Input::new(from_host, pipes.stdin);
    let mut output = Output::new(host, pipes.stdout, pipes.stderr);
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => pending().await,
        }
    };
    let end = tokio::select! {
        end = run(&mut process, &mut input, &mut output, over) => end,
        () = hangup.seen() => End::Lost,
    };
    if !matches!(end, End::Exited(_)) {
        process.kill().await;
    }
    let last = match end {
        End::Exited(exit_code) => ExecOutput::Exited { exit_code, timed_out: false },
        End::TimedOut => ExecOutput::Exited { exit_code: TIMEOUT_EXIT_CODE, timed_out: true },
        End::NotStarted(error) => ExecOutput::Failed { error },
        End::Lost => return,
    };
    let told = tokio::select! {
        told = output.finish(&last) => told.is_ok(),
        () = hangup.seen() => false,
    };
    if !told {
        process.kill().await;
    }
    for pipe in output.left_open() {
        processes.leave_open(pipe);
    }
}

enum End {
    Exited(i32),
    TimedOut,
    NotStarted(ToolError),
    Lost,
}

/// The host's ends of the command's standard streams.
struct Pipes {
    stdin: Option<Sender>,
    stdout: Receiver,
    stderr: Receiver,
}

fn start(open: ExecOpen, processes: &Processes) -> Result<(Process, Pipes, Option<Duration>), ToolError> {
    let limit = match open.timeout_ms {
        None => None,
        Some(ms @ 1..=MAX_TIMEOUT_MS) => Some(Duration::from_millis(ms)),
        Some(ms) => return Err(ToolError::invalid(format!("timeout_ms is {ms}; it must lie between 1 and {MAX_TIMEOUT_MS}"))),
    };
    let (stdin, to_stdin) = open.stdin.then(io::pipe).transpose().map_err(no_pipe)?.unzip();
    let (from_stdout, stdout) = io::pipe().map_err(no_pipe)?;
    let (from_stderr, stderr) = io::pipe().map_err(no_pipe)?;
    let pipes = Pipes {
        stdin: to_stdin.map(|pipe| Sender::from_owned_fd(OwnedFd::from(pipe))).transpose().map_err(no_pipe)?,
        stdout: Receiver::from_owned_fd(from_stdout.into()).map_err(no_pipe)?,
        stderr: Receiver::from_owned_fd(from_stderr.into()).map_err(no_pipe)?,
    };
    // The command's ends are closed here when this returns, or their end would never be seen.
    let process = processes.start(Program {
        id: &open.call.id,
        user: open.call.user,
        argv: shell::command_line(open.command)?,
        envs: &open.envs,
        cwd: open.cwd.as_deref(),
        stdin: stdin.as_ref().map(AsFd::as_fd),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    })?;
    Ok((process, pipes, limit))
}

/// Until the shell ends; what it left in the background does not count.
async fn run(process: &mut Process, input: &mut Input, output: &mut Output, over: impl Future<Output = ()>) -> End {
    tokio::pin!(over);
    if let Err(error) = process.executed().await {
        return End::NotStarted(error);
    }
    loop {
        tokio::select! {
            biased;
            () = &mut over => return End::TimedOut,
            signal = input.next_signal() => match signal {
                Ok(signal) => process.signal_all(signal),
                Err(_) => return End::Lost,
            },
            code = process.exited() => return End::Exited(code),
            sent = output.forward() => if sent.is_err() {
                return End::Lost;
            },
        }
    }
}

fn no_pipe(error: io::Error) -> ToolError {
    ToolError::new(ToolErrorCode::Internal, format!("making a pipe for a command failed: {error}"))
}
