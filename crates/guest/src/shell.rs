//! The `shell` tool: a command line, its output, its true exit code, and nothing of it left after a time-out.

mod environment;
mod output;
mod tree;

use crate::group::{Group, Groups};
use crate::reaper::Reaper;
use jailer::spawn::{Command, SpawnError, SpawnStep, Started};
use nix::libc::sock_filter;
use output::{Capture, LeftOpen};
use protocol::tools::shell::{DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, ShellArgs, ShellResult, TIMEOUT_EXIT_CODE};
use protocol::{CallMeta, ToolError, ToolErrorCode};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use types::OutputLimit;

const SHELL: &str = "/bin/sh";

/// What all commands of a sandbox share.
#[derive(Debug)]
pub struct Shell {
    reaper: Reaper,
    groups: Option<Arc<Groups>>,
    output: OutputLimit,
    filter: Vec<sock_filter>,
    left_open: LeftOpen,
}

enum End {
    Exited(i32),
    NotStarted(SpawnError),
    TimedOut,
    Cancelled,
}

impl Shell {
    /// Commands in cgroups below `groups`; without, a time-out finds only what did not detach itself.
    pub fn new(reaper: Reaper, groups: Option<Groups>, output: OutputLimit) -> Self {
        let groups = groups.map(Arc::new);
        if let Some(groups) = groups.clone() {
            let reaper = reaper.clone();
            tokio::spawn(async move {
                loop {
                    reaper.orphan_reaped().await;
                    groups.sweep();
                }
            });
        }
        let filter = jailer::seccomp::program(jailer::seccomp::Profile::Command);
        Self { reaper, groups, output, filter, left_open: LeftOpen::default() }
    }

    /// Runs a command until its shell ends, `cancel` is cancelled or its time is over. What it left in the background
    /// lives on after a normal end, and is killed with it otherwise.
    pub async fn run(&self, call: &CallMeta, args: ShellArgs, cancel: &CancellationToken) -> Result<ShellResult, ToolError> {
        let limit = match args.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS) {
            ms @ 1..=MAX_TIMEOUT_MS => Duration::from_millis(ms),
            ms => return Err(ToolError::invalid(format!("timeout_ms is {ms}; it must lie between 1 and {MAX_TIMEOUT_MS}"))),
        };
        let no_nul = |_| ToolError::invalid("command contains a NUL byte; a command line cannot");
        let argv = vec![c"/bin/sh".to_owned(), c"-c".to_owned(), CString::new(args.command).map_err(no_nul)?];
        let env = environment::of(call.user, &args.envs)?;
        let directory = Path::new(call.user.home()).join(args.cwd.as_deref().unwrap_or(""));
        let c_directory = CString::new(directory.as_os_str().as_encoded_bytes())
            .map_err(|_| ToolError::invalid("cwd contains a NUL byte; a path cannot"))?;

        let (mut stdout, stdout_writer) = Capture::new(self.output.bytes_per_stream).map_err(internal("making a pipe"))?;
        let (mut stderr, stderr_writer) = Capture::new(self.output.bytes_per_stream).map_err(internal("making a pipe"))?;
        let command = Command {
            argv,
            env,
            directory: c_directory,
            uid: call.user.uid(),
            gid: call.user.uid(),
            stdin: None,
            stdout: stdout_writer.as_fd(),
            stderr: stderr_writer.as_fd(),
            cgroup: None,
            seccomp: &self.filter,
        };
        let (started, mut exit, group) = self.start(call, command).map_err(|error| not_started(&error, &directory))?;
        // Only the command may hold the writing ends, or its end would never be seen.
        drop((stdout_writer, stderr_writer));
        let Started { pid, pidfd: _pidfd, report } = started;

        let end = tokio::select! {
            biased;
            end = ends(report, &mut exit, &mut stdout, &mut stderr) => end,
            () = cancel.cancelled() => End::Cancelled,
            () = tokio::time::sleep(limit) => End::TimedOut,
        };
        if matches!(end, End::TimedOut | End::Cancelled) {
            kill(group.as_ref(), pid).await;
            // Killed, so this comes at once; were the process stuck in the kernel, the reaper takes it later.
            let _ = tokio::time::timeout(Duration::from_secs(1), exit).await;
        }
        stdout.drain();
        stderr.drain();
        if let (Some(groups), Some(group)) = (&self.groups, group) {
            groups.retire(group);
        }
        let (exit_code, timed_out) = match end {
            End::Exited(code) => (code, false),
            End::TimedOut => (TIMEOUT_EXIT_CODE, true),
            End::Cancelled => {
                return Err(ToolError::new(ToolErrorCode::Cancelled, "the command was cancelled; everything it started was killed"));
            }
            End::NotStarted(error) => return Err(not_started(&error, &directory)),
        };
        let (stdout, stdout_cut) = stdout.finish(&self.left_open);
        let (stderr, stderr_cut) = stderr.finish(&self.left_open);
        Ok(ShellResult { stdout, stderr, exit_code, timed_out, stdout_cut, stderr_cut })
    }

    /// Starts the command in a group of its own, or without one where no group can be had.
    fn start(&self, call: &CallMeta, mut command: Command<'_>) -> Result<(Started, oneshot::Receiver<i32>, Option<Group>), SpawnError> {
        let group = self.groups.as_ref().and_then(|groups| groups.create(&call.id).ok());
        if let Some(group) = group {
            let attempt = self.reaper.spawn(&Command { cgroup: Some(group.handle()), ..command });
            match attempt {
                Ok((started, exit)) => return Ok((started, exit, Some(group))),
                Err(error) => {
                    if let Some(groups) = &self.groups {
                        groups.retire(group);
                    }
                    return Err(error);
                }
            }
        }
        command.cgroup = None;
        let (started, exit) = self.reaper.spawn(&command)?;
        Ok((started, exit, None))
    }
}

/// The command's own end, all output until then read.
async fn ends(report: OwnedFd, exit: &mut oneshot::Receiver<i32>, stdout: &mut Capture, stderr: &mut Capture) -> End {
    match exec_outcome(report).await {
        Ok(()) => {}
        Err(error) => return End::NotStarted(error),
    }
    let reading = async {
        tokio::join!(stdout.pump(), stderr.pump());
        // All writers have closed; what counts is still the shell's end.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // The reaper drops a sender only by sending, and lives as long as we do.
        code = exit => End::Exited(code.unwrap_or(255)),
        () = reading => End::TimedOut,
    }
}

async fn exec_outcome(report: OwnedFd) -> Result<(), SpawnError> {
    let prepare = |source| SpawnError { step: SpawnStep::Prepare, source };
    let mut bytes = Vec::new();
    Receiver::from_owned_fd(report).map_err(prepare)?.read_to_end(&mut bytes).await.map_err(prepare)?;
    Started::outcome(&bytes)
}

async fn kill(group: Option<&Group>, pid: i32) {
    if let Some(group) = group {
        match group.kill().await {
            Ok(()) => return,
            Err(error) => eprintln!("guest: killing a command's cgroup: {error}"),
        }
    }
    tree::kill(pid);
}

/// What a failed start means to the caller.
fn not_started(error: &SpawnError, directory: &Path) -> ToolError {
    let (directory, cause) = (directory.display(), &error.source);
    match (error.step, cause.raw_os_error().map(nix::errno::Errno::from_raw)) {
        (SpawnStep::Directory, Some(nix::errno::Errno::EACCES)) => {
            ToolError::new(ToolErrorCode::PermissionDenied, format!("the user may not enter the working directory {directory}"))
        }
        (SpawnStep::Directory, _) => ToolError::invalid(format!("the working directory {directory} cannot be entered: {cause}")),
        (SpawnStep::Exec, Some(nix::errno::Errno::E2BIG)) => ToolError::new(
            ToolErrorCode::TooLarge,
            "the command line or an environment variable is longer than the kernel takes (128 KiB); write it to a file and run that",
        ),
        (SpawnStep::Exec, _) => ToolError::new(ToolErrorCode::Internal, format!("{SHELL} of this image cannot be executed: {cause}")),
        (SpawnStep::Clone, Some(nix::errno::Errno::EAGAIN)) => {
            ToolError::new(ToolErrorCode::Busy, "the sandbox is at its limit of processes; end some and try again")
        }
        _ => ToolError::new(ToolErrorCode::Internal, format!("{error}: {cause}")),
    }
}

fn internal(doing: &'static str) -> impl Fn(io::Error) -> ToolError {
    move |error| ToolError::new(ToolErrorCode::Internal, format!("{doing} for a command failed: {error}"))
}
