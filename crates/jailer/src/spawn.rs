//! Starting a command inside a sandbox: as its user, in its own cgroup, under the seccomp policy for commands.
//!
//! The standard library cannot place a child into a cgroup at birth, drop to a user and install a filter in one go, so
//! this does it with raw system calls. Everything the child needs is prepared before the fork: between fork and exec it
//! neither allocates nor takes a lock, because another thread of the parent may have held one.

mod child;
mod inherit;
mod report;
mod signal;

pub use inherit::{keep_heap_small, take_inherited};
pub use report::{SpawnError, SpawnStep};
pub use signal::send_signal;

use libc::sock_filter;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What to start and how. `stdin` is `/dev/null` unless given.
#[derive(Debug)]
pub struct Command<'a> {
    /// Path of the program, then its arguments. The path is not searched for in `PATH`.
    pub argv: Vec<CString>,
    /// What the program sees as its own name; its path when `None`.
    pub name: Option<CString>,
    /// The whole environment, `NAME=value` each.
    pub env: Vec<CString>,
    /// Working directory, entered as the user, so that the user's permissions count.
    pub directory: CString,
    /// User id. For another than 0 the kernel takes every capability away.
    pub uid: u32,
    /// Group id; supplementary groups are emptied.
    pub gid: u32,
    /// Standard input; `/dev/null` when `None`.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Standard output.
    pub stdout: BorrowedFd<'a>,
    /// Standard error.
    pub stderr: BorrowedFd<'a>,
    /// Whether standard input is a terminal that becomes the controlling one of the child's session.
    pub terminal: bool,
    /// An open cgroup v2 directory in which the child is born; the parent's own when `None`.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The filter installed right before exec; none when empty.
    pub seccomp: &'a [sock_filter],
}

/// A child that exists; whether its exec succeeded is known when its [`Started::report`] can be read.
#[derive(Debug)]
pub struct Started {
    /// Process id. It leads its own session and process group.
    pub pid: i32,
    /// The process as a descriptor, readable when it has ended.
    pub pidfd: OwnedFd,
    /// Reading end of the pipe on which the child says why it could not exec; at its end without a byte, it could.
    pub report: OwnedFd,
}

impl Started {
    /// What the bytes read from [`Started::report`] mean.
    pub fn outcome(report: &[u8]) -> Result<(), SpawnError> {
        report::decode(report)
    }

    /// Waits for the exec. On failure the child has ended and is still to be reaped.
    pub fn wait_for_exec(self) -> Result<(i32, OwnedFd), SpawnError> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut std::fs::File::from(self.report), &mut bytes)
            .map_err(|source| SpawnError { step: SpawnStep::Clone, source })?;
        report::decode(&bytes)?;
        Ok((self.pid, self.pidfd))
    }
}

impl Command<'_> {
    /// Forks the child and returns at once.
    ///
    /// # Errors
    /// [`SpawnStep::Prepare`] when descriptors ran out, [`SpawnStep::Clone`] when the kernel makes no process (or not in
    /// that cgroup).
    pub fn start(&self) -> Result<Started, SpawnError> {
        let prepare = |source| SpawnError { step: SpawnStep::Prepare, source };
        let null = match self.stdin {
            Some(_) => None,
            None => Some(std::fs::File::open("/dev/null").map_err(prepare)?),
        };
        let stdin = match (&self.stdin, &null) {
            (Some(fd), _) => *fd,
            (None, Some(file)) => file.as_fd(),
            (None, None) => return Err(prepare(io::ErrorKind::NotFound.into())),
        };
        // Numbers 0 to 2 are what the child overwrites, so its sources must lie above.
        let stdio = [above_stdio(stdin), above_stdio(self.stdout), above_stdio(self.stderr)];
        let [stdin, stdout, stderr] = stdio;
        let (stdin, stdout, stderr) = (stdin.map_err(prepare)?, stdout.map_err(prepare)?, stderr.map_err(prepare)?);
        let (report, report_writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| prepare(e.into()))?;
        let report_writer = above_stdio(report_writer.as_fd()).map_err(prepare)?;

        let plan = child::Plan::new(self, [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()], report_writer.as_raw_fd());
        let (pid, pidfd) = plan.clone_and_run(self.cgroup.map(|fd| fd.as_raw_fd()))?;
        Ok(Started { pid, pidfd, report })
    }

    /// Starts the child and waits until it has exec'ed.
    pub fn spawn(&self) -> Result<(i32, OwnedFd), SpawnError> {
        self.start()?.wait_for_exec()
    }
}

/// A copy of `fd` with a number above standard error, closed on exec.
fn above_stdio(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let lowest: RawFd = 3;
    let copy = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: fcntl(F_DUPFD_CLOEXEC) succeeded, so `copy` is a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    /// Runs `argv` and returns its output and wait status.
    fn run(argv: &[&str], change: impl FnOnce(&mut Command<'_>)) -> Result<(String, nix::sys::wait::WaitStatus), SpawnError> {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command {
            argv: argv.iter().map(|arg| CString::new(*arg).unwrap()).collect(),
            name: None,
            env: vec![c"A=1".to_owned()],
            directory: c"/".to_owned(),
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            stdin: None,
            stdout: writer.as_fd(),
            stderr: writer.as_fd(),
            terminal: false,
            cgroup: None,
            seccomp: &[],
        };
        change(&mut command);
        let started = command.start()?;
        let pid = nix::unistd::Pid::from_raw(started.pid);
        let executed = started.wait_for_exec();
        drop(writer);
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        let status = nix::sys::wait::waitpid(pid, None).unwrap();
        executed.map(|_| (output, status))
    }

    fn root() -> bool {
        nix::unistd::getuid().is_root()
    }

    #[test]
    fn a_child_gets_what_was_asked_for_and_nothing_else() {
        let script = "pwd; env | grep ^A=; ls /proc/self/fd | tr '\\n' ' '; test -t 0 || cat; ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leader";
        let (output, status) = run(&["/bin/sh", "-c", script], |_| ()).unwrap();
        // 3 is the directory that `ls` itself has open.
        assert_eq!(output, "/\nA=1\n0 1 2 3 leader\n");
        assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)));
    }

    #[test]
    fn a_user_keeps_no_groups_and_no_capabilities() {
        if !root() {
            return;
        }
        let (output, _) = run(&["/bin/sh", "-c", "id -u; id -G; grep -E '^Cap(Eff|Prm)|^NoNewPrivs' /proc/self/status"], |command| {
            (command.uid, command.gid) = (1000, 1000);
        })
        .unwrap();
        assert_eq!(output, "1000\n1000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
    }

    #[test]
    fn failures_name_their_step_and_errno() {
        let check = |argv: &[&str], directory: &'static std::ffi::CStr, step, errno| {
            let error = run(argv, |command| command.directory = directory.to_owned()).unwrap_err();
            assert_eq!((error.step, error.source.raw_os_error()), (step, Some(errno)));
        };
        check(&["/bin/sh"], c"/no/such/directory", SpawnStep::Directory, libc::ENOENT);
        check(&["/no/such/program"], c"/", SpawnStep::Exec, libc::ENOENT);
        check(&["/etc/passwd"], c"/", SpawnStep::Exec, libc::EACCES);
    }

    #[test]
    fn signals_are_as_after_login() {
        // Rust ignores SIGPIPE; a shell pipeline depends on it.
        let (output, _) = run(&["/bin/cat", "/proc/self/status"], |_| ()).unwrap();
        let output: String =
            output.lines().filter(|l| ["SigBlk", "SigIgn", "SigCgt"].contains(&&l[..6.min(l.len())])).map(|l| format!("{l}\n")).collect();
        assert_eq!(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
    }

    #[test]
    fn memory_is_taken_from_commands_first() {
        let (output, _) = run(&["/bin/cat", "/proc/self/oom_score_adj"], |command| {
            if root() {
                (command.uid, command.gid) = (1000, 1000);
            }
        })
        .unwrap();
        assert_eq!(output, "1000\n");
    }

    #[test]
    fn a_terminal_controls_the_session_and_the_name_is_as_given() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let slave: &'static OwnedFd = Box::leak(Box::new(pty.slave));
        let (output, _) = run(&["/bin/sh", "-c", "echo $0; echo shown >/dev/tty; ps -o tty= -p $$"], |command| {
            command.name = Some(c"-sh".to_owned());
            command.stdin = Some(slave.as_fd());
            command.terminal = true;
        })
        .unwrap();
        let tty = nix::unistd::ttyname(slave).unwrap();
        assert_eq!(output, format!("-sh\n{}\n", tty.to_str().unwrap().trim_start_matches("/dev/")));
        let mut shown = [0; 16];
        let count = nix::unistd::read(&pty.master, &mut shown).unwrap();
        assert_eq!(&shown[..count], b"shown\r\n");
        let error = run(&["/bin/true"], |command| command.terminal = true).unwrap_err();
        assert_eq!((error.step, error.source.raw_os_error()), (SpawnStep::Terminal, Some(libc::ENOTTY)));
    }

    #[test]
    fn a_filter_is_in_force() {
        let program = crate::seccomp::program(crate::seccomp::Profile::Command);
        let (output, _) = run(&["/bin/grep", "^Seccomp:", "/proc/self/status"], |command| command.seccomp = program.leak()).unwrap();
        assert_eq!(output, "Seccomp:\t2\n");
    }
}
