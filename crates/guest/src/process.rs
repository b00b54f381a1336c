//! Starting programs in the sandbox: as a user, in a cgroup of their own, under the seccomp policy for commands. The
//! `shell` tool, streamed commands, terminals and kernels all start theirs here.

mod environment;
mod left_open;
mod tree;

pub use environment::Variables;
pub(crate) use left_open::read_now;

use crate::group::{Group, Groups};
use crate::reaper::Reaper;
use jailer::spawn::{Command, SpawnError, SpawnStep, Started};
use left_open::LeftOpen;
use nix::libc::sock_filter;
use protocol::{ToolError, ToolErrorCode};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;
use types::{CallId, SandboxUser};

/// A killed process that the reaper has not seen after this long is stuck in the kernel; the reaper takes it later.
const REAPED_WITHIN: Duration = Duration::from_secs(1);

/// What all programs of a sandbox share.
#[derive(Debug)]
pub struct Processes {
    reaper: Reaper,
    groups: Option<Arc<Groups>>,
    filter: Vec<sock_filter>,
    left_open: LeftOpen,
    /// The session's own environment variables.
    pub variables: Variables,
}

/// What to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// Names its cgroup.
    pub id: &'a CallId,
    /// Whom it runs as.
    pub user: SandboxUser,
    /// Path of the program, then its arguments. The path is not searched for in `PATH`.
    pub argv: Vec<CString>,
    /// Variables over the session's.
    pub envs: &'a BTreeMap<String, String>,
    /// Working directory, relative to the user's home.
    pub cwd: Option<&'a str>,
    /// Standard input; empty when `None`.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Standard output.
    pub stdout: BorrowedFd<'a>,
    /// Standard error.
    pub stderr: BorrowedFd<'a>,
}

/// A program that was started. Dropping it ends nothing: what runs, runs on.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    report: Option<OwnedFd>,
    exit: oneshot::Receiver<i32>,
    exit_code: Option<i32>,
    group: Option<Group>,
    groups: Option<Arc<Groups>>,
    directory: PathBuf,
    _pidfd: OwnedFd,
}

impl Processes {
    /// Programs in cgroups below `groups`; without, a kill finds only what did not detach itself.
    pub fn new(reaper: Reaper, groups: Option<Groups>) -> Self {
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
        Self { reaper, groups, filter, left_open: LeftOpen::default(), variables: Variables::default() }
    }

    /// Starts a program. Whether it could be executed is told by [`Process::executed`].
    ///
    /// # Errors
    /// What is wrong with the program's parts, or that the sandbox has no room for another process.
    pub fn start(&self, program: Program<'_>) -> Result<Process, ToolError> {
        self.launch(program, None, false)
    }

    /// Starts a program on the terminal that its standard input is, as the leader of that terminal's session. It sees
    /// `name` as its own, as login shells want it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on_terminal(&self, program: Program<'_>, name: Option<CString>) -> Result<Process, ToolError> {
        self.launch(program, name, true)
    }

    /// Reads on, into nothing, what programs in the background write into `pipe` after their command has ended.
    pub fn leave_open(&self, pipe: Receiver) {
        self.left_open.take(pipe);
    }

    fn launch(&self, program: Program<'_>, name: Option<CString>, terminal: bool) -> Result<Process, ToolError> {
        let env = self.variables.of(program.user, program.envs)?;
        let directory = Path::new(program.user.home()).join(program.cwd.unwrap_or(""));
        let c_directory = CString::new(directory.as_os_str().as_encoded_bytes())
            .map_err(|_| ToolError::invalid("cwd contains a NUL byte; a path cannot"))?;
        let group = self.groups.as_ref().and_then(|groups| groups.create(program.id).ok());
        let command = Command {
            argv: program.argv,
            name,
            env,
            directory: c_directory,
            uid: program.user.uid(),
            gid: program.user.uid(),
            stdin: program.stdin,
            stdout: program.stdout,
            stderr: program.stderr,
            terminal,
            cgroup: group.as_ref().map(Group::handle),
            seccomp: &self.filter,
        };
        let spawned = self.reaper.spawn(&command);
        drop(command);
        let groups = self.groups.clone();
        match spawned {
            Ok((Started { pid, pidfd, report }, exit)) => {
                Ok(Process { pid, report: Some(report), exit, exit_code: None, group, groups, directory, _pidfd: pidfd })
            }
            Err(error) => {
                if let (Some(groups), Some(group)) = (groups, group) {
                    groups.retire(group);
                }
                Err(not_started(&error, &directory))
            }
        }
    }
}

impl Process {
    /// Its pid in the sandbox; it leads its own session and process group.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until the program runs, or says why it cannot. May be dropped and called again.
    pub async fn executed(&mut self) -> Result<(), ToolError> {
        let Some(report) = self.report.take() else { return Ok(()) };
        exec_outcome(report).await.map_err(|error| not_started(&error, &self.directory))
    }

    /// Waits for its end: the exit code, 128 + signal number when a signal ended it. May be dropped and called again.
    pub async fn exited(&mut self) -> i32 {
        if let Some(code) = self.exit_code {
            return code;
        }
        // The reaper drops a sender only by sending, and lives as long as we do.
        let code = (&mut self.exit).await.unwrap_or(255);
        *self.exit_code.insert(code)
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        // It may have ended meanwhile; its pid is reused only after the reaper has told us.
        if self.exit_code.is_none() {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(self.pid), signal);
        }
    }

    /// Sends the signal `number`, 1–64, to it and everything it started. Others are no signals and do nothing.
    pub fn signal_all(&self, number: i32) {
        if !(1..=64).contains(&number) {
            return;
        }
        let members = match &self.group {
            Some(group) => group.members(),
            None => tree::members(self.pid),
        };
        for pid in members {
            // What has ended meanwhile needs no signal.
            let _ = jailer::spawn::send_signal(pid, number);
        }
    }

    /// Kills it and everything it started, and waits until that is gone.
    pub async fn kill(&mut self) {
        let by_group = match &self.group {
            Some(group) => group.kill().await.inspect_err(|error| eprintln!("guest: killing a command's cgroup: {error}")).is_ok(),
            None => false,
        };
        if !by_group {
            tree::kill(self.pid);
        }
        let _ = tokio::time::timeout(REAPED_WITHIN, self.exited()).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (Some(groups), Some(group)) = (&self.groups, self.group.take()) {
            groups.retire(group);
        }
    }
}

async fn exec_outcome(report: OwnedFd) -> Result<(), SpawnError> {
    let prepare = |source| SpawnError { step: SpawnStep::Prepare, source };
    let mut bytes = Vec::new();
    Receiver::from_owned_fd(report).map_err(prepare)?.read_to_end(&mut bytes).await.map_err(prepare)?;
    Started::outcome(&bytes)
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
        (SpawnStep::Exec, Some(nix::errno::Errno::ENOENT)) => {
            ToolError::new(ToolErrorCode::NotFound, "the program, or the interpreter it names, does not exist")
        }
        (SpawnStep::Exec, Some(nix::errno::Errno::EACCES)) => {
            ToolError::new(ToolErrorCode::PermissionDenied, "the user may not execute the program")
        }
        (SpawnStep::Exec, _) => ToolError::new(ToolErrorCode::Internal, format!("the program cannot be executed: {cause}")),
        (SpawnStep::Clone, Some(nix::errno::Errno::EAGAIN)) => {
            ToolError::new(ToolErrorCode::Busy, "the sandbox is at its limit of processes; end some and try again")
        }
        _ => ToolError::new(ToolErrorCode::Internal, format!("{error}: {cause}")),
    }
}
