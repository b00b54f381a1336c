//! The fork itself and what the child does until exec.

use super::report::{self, SpawnError, SpawnStep};
use super::{Command, inherit};
use libc::{c_char, c_int, c_long, sock_filter, sock_fprog};
use std::ffi::CString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::ptr;

/// From `linux/sched.h`; the libc crate's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Everything the child needs, laid out before the fork as the system calls want it.
pub(super) struct Plan<'a> {
    path: *const c_char,
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    directory: &'a CString,
    uid: u32,
    gid: u32,
    stdio: [RawFd; 3],
    terminal: bool,
    report: RawFd,
    filter: &'a [sock_filter],
}

impl<'a> Plan<'a> {
    /// The descriptors must lie above 2 and stay open until the fork.
    pub(super) fn new(command: &'a Command<'_>, stdio: [RawFd; 3], report: RawFd) -> Self {
        let pointers = |strings: &'a [CString]| strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        let mut argv: Vec<*const c_char> = pointers(&command.argv);
        let path = argv[0];
        if let (Some(name), false) = (&command.name, path.is_null()) {
            argv[0] = name.as_ptr();
        }
        Self {
            path,
            argv,
            env: pointers(&command.env),
            directory: &command.directory,
            uid: command.uid,
            gid: command.gid,
            stdio,
            terminal: command.terminal,
            report,
            filter: command.seccomp,
        }
    }

    /// Forks; the parent gets the child's pid and pidfd, the child never returns from here.
    pub(super) fn clone_and_run(&self, cgroup: Option<RawFd>) -> Result<(i32, OwnedFd), SpawnError> {
        let failed = |source| SpawnError { step: SpawnStep::Clone, source };
        // With every signal blocked, no handler of the parent can run in the child's copy before it is reset there.
        let blocked = nix::sys::signal::SigSet::all();
        let previous = blocked.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK).map_err(|e| failed(e.into()))?;
        let mut pidfd: c_int = -1;
        // SAFETY: without CLONE_VM the child gets a copy of this address space, as with fork; it runs only `run`, which
        // does raw system calls on memory prepared here and ends in exec or _exit, so no lock held by another thread of
        // the parent and no destructor is ever touched in it. `pidfd` outlives the call.
        let pid = unsafe { raw_clone(cgroup, &mut pidfd) };
        if pid == 0 {
            // SAFETY: we are the forked child, single-threaded, with `self` copied whole; see above.
            unsafe { self.run() }
        }
        let error = io::Error::last_os_error();
        let restored = previous.thread_set_mask();
        if pid < 0 {
            return Err(failed(error));
        }
        let pidfd = inherit::own(pidfd).map_err(failed)?;
        restored.map_err(|e| failed(e.into()))?;
        Ok((i32::try_from(pid).map_err(|_| failed(io::ErrorKind::InvalidData.into()))?, pidfd))
    }

    /// The child's life.
    ///
    /// # Safety
    /// Only in a freshly forked child. Everything called here is a plain system call (libc's wrappers named below are
    /// async-signal-safe) and `self` was made before the fork.
    unsafe fn run(&self) -> ! {
        // SAFETY: the pointers in `self` point into memory that was alive at the fork, hence in our copy; the arguments
        // are as the respective system calls want them. Raw calls are used for ids, because libc's wrappers would try
        // to synchronise threads that do not exist in the child.
        unsafe {
            self.check(SpawnStep::Session, libc::syscall(libc::SYS_setsid));
            go_before_parent();
            for (target, source) in self.stdio.iter().enumerate() {
                self.check(SpawnStep::Descriptors, libc::syscall(libc::SYS_dup3, *source, target, 0));
            }
            if self.terminal {
                // Without force: a terminal that controls another session stays with it.
                self.check(SpawnStep::Terminal, libc::syscall(libc::SYS_ioctl, 0, libc::TIOCSCTTY, 0));
            }
            // Every descriptor is close-on-exec already; this holds also for one that somebody forgot.
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);

            self.check(SpawnStep::Identity, libc::syscall(libc::SYS_setgroups, 0, ptr::null::<u32>()));
            self.check(SpawnStep::Identity, libc::syscall(libc::SYS_setresgid, self.gid, self.gid, self.gid));
            self.check(SpawnStep::Identity, libc::syscall(libc::SYS_setresuid, self.uid, self.uid, self.uid));
            libc::umask(0o022);
            self.check(SpawnStep::Directory, libc::syscall(libc::SYS_chdir, self.directory.as_ptr()));

            reset_signals();
            self.check(SpawnStep::Filter, libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
            if !self.filter.is_empty() {
                // The length fits: a program longer than the kernel's 4,096 instructions is refused by the kernel.
                let program = sock_fprog { len: self.filter.len() as u16, filter: self.filter.as_ptr().cast_mut() };
                let mode = libc::SECCOMP_SET_MODE_FILTER;
                self.check(SpawnStep::Filter, libc::syscall(libc::SYS_seccomp, mode, 0, &program));
            }
            self.check(SpawnStep::Exec, libc::syscall(libc::SYS_execve, self.path, self.argv.as_ptr(), self.env.as_ptr()));
            libc::_exit(127)
        }
    }

    /// Ends the child with a report when a system call failed.
    ///
    /// # Safety
    /// As [`Plan::run`].
    unsafe fn check(&self, step: SpawnStep, result: c_long) {
        if result >= 0 {
            return;
        }
        // SAFETY: errno is this thread's own; the report is a local array and `self.report` an open pipe.
        unsafe {
            let bytes = report::encode(step, *libc::__errno_location());
            libc::syscall(libc::SYS_write, self.report, bytes.as_ptr(), bytes.len());
            libc::_exit(127)
        }
    }
}

/// `clone3` with a pidfd, into `cgroup` if given; where `clone3` is not to be had, `clone`.
///
/// # Safety
/// As `fork`: the child must only do what is async-signal-safe.
unsafe fn raw_clone(cgroup: Option<RawFd>, pidfd: &mut c_int) -> c_long {
    // SAFETY: `clone_args` is plain integers, for which zero is "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup as u64;
    }
    // SAFETY: `args` is complete and has the size given; no stack is named, so the child runs on a copy of ours.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) };
    // SAFETY: errno is this thread's own.
    if pid >= 0 || cgroup.is_some() || unsafe { *libc::__errno_location() } != libc::ENOSYS {
        return pid;
    }
    let flags = (libc::CLONE_PIDFD | libc::SIGCHLD) as c_long;
    // SAFETY: as above; the old call takes the pidfd's address as its third argument and a null stack means a copy.
    unsafe { libc::syscall(libc::SYS_clone, flags, 0, ptr::from_mut(pidfd), 0, 0) }
}

/// Makes this process the one to kill when memory runs out, rather than its parent: without that one nobody would be left
/// to tell what happened. As the parent's user, since another may not write the file.
///
/// # Safety
/// Only in a freshly forked child.
unsafe fn go_before_parent() {
    // SAFETY: the path is a C string, the text as long as stated. Without /proc it stays as likely as its parent.
    unsafe {
        let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::syscall(libc::SYS_write, file, c"1000".as_ptr(), 4);
            libc::syscall(libc::SYS_close, file);
        }
    }
}

/// Default handlers for all signals and an empty mask.
///
/// # Safety
/// Only in a freshly forked child.
unsafe fn reset_signals() {
    // SAFETY: 32 zero bytes are the kernel's own sigaction with SIG_DFL, no flags and an empty mask; 8 is its mask's size.
    // The raw call also reaches the signals that libc keeps for itself. Those that cannot be changed answer EINVAL.
    unsafe {
        let default = [0u64; 4];
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null::<u64>(), 8);
        }
        let empty = 0u64;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &empty, ptr::null::<u64>(), 8);
    }
}
