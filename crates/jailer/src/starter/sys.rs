//! System calls that the libraries do not wrap, and the few wrappers that must not be theirs: the C library applies
//! uid changes to all threads of a process, while here one thread changes its own.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// For [`Clone::flags`]; the C library's constant is cut to 32 bits.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Turns a negative return value into the error it stands for.
pub(crate) fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Owns a descriptor that a system call just returned.
fn own(result: libc::c_long) -> io::Result<OwnedFd> {
    // SAFETY: the kernel just made this descriptor for us; nobody else knows it.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// What a new process is to be made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clone<'a> {
    /// `CLONE_NEW*`.
    pub(crate) flags: libc::c_int,
    /// The cgroup v2 directory it starts in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

/// Which side of a clone we are on.
#[derive(Debug)]
pub(crate) enum Side {
    /// The parent, with the child's pid and pidfd.
    Parent(libc::pid_t, OwnedFd),
    /// The child.
    Child,
}

/// Makes a process as `fork` would, with namespaces and cgroup of its own.
///
/// # Safety
/// The child of this (threaded) process may only make async-signal-safe calls and must end with exec or `_exit`.
pub(crate) unsafe fn clone(how: Clone<'_>) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    // SAFETY: plain data, all zeroes are valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = how.flags as u32 as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = how.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is a valid clone_args without a stack: the child goes on on a copy of this one, as after fork.
    match check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })? {
        0 => Ok(Side::Child),
        // SAFETY: with CLONE_PIDFD the kernel stored a fresh descriptor there.
        pid => Ok(Side::Parent(pid as libc::pid_t, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// A descriptor for process `pid`.
pub(crate) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers.
    own(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Kills the process behind `pidfd`. One that is gone already is no error.
pub(crate) fn kill(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means the same as kill(2).
    match check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, none, 0) }) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// Waits until the child behind `pidfd` has ended, and reaps it.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        // SAFETY: plain data; waitid fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid for writing.
        let result = unsafe { libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, &raw mut info, libc::WEXITED) };
        match check(result.into()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// Lets this thread keep its capabilities when its uid changes.
pub(crate) fn keep_capabilities_over_uid_changes() -> io::Result<()> {
    const SECBIT_NO_SETUID_FIXUP: libc::c_ulong = 1 << 2;
    // SAFETY: takes integers; concerns the calling thread only.
    check(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) }.into()).map(drop)
}

/// Sets the effective user and group of this thread alone.
pub(crate) fn set_thread_euid(id: u32) -> io::Result<()> {
    const KEEP: u32 = u32::MAX;
    // SAFETY: take integers; the raw calls concern the calling thread only.
    unsafe {
        check(libc::syscall(libc::SYS_setresgid, KEEP, id, KEEP))?;
        check(libc::syscall(libc::SYS_setresuid, KEEP, id, KEEP))?;
    }
    Ok(())
}

/// Locks an open file against others who lock it; on request waits for them. The lock is shared with forked processes
/// and ends when the last of them has closed the file: nothing here ever unlocks.
pub(crate) fn lock(file: BorrowedFd<'_>, wait: bool) -> io::Result<()> {
    let operation = if wait { libc::LOCK_EX } else { libc::LOCK_EX | libc::LOCK_NB };
    // SAFETY: takes integers.
    check(unsafe { libc::flock(file.as_raw_fd(), operation) }.into()).map(drop)
}

/// The context of a file system that is being configured.
#[derive(Debug)]
pub(crate) struct FsContext(OwnedFd);

impl FsContext {
    /// Starts configuring a file system of type `kind`.
    pub(crate) fn open(kind: &CStr) -> io::Result<Self> {
        // SAFETY: `kind` is a C string.
        own(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) }).map(Self)
    }

    /// Sets an option to a text.
    pub(crate) fn set_string(&self, key: &CStr, value: &CStr) -> io::Result<()> {
        self.configure(libc::FSCONFIG_SET_STRING, Some(key), Some(value), 0)
    }

    /// Sets an option that has no value.
    pub(crate) fn set_flag(&self, key: &CStr) -> io::Result<()> {
        self.configure(libc::FSCONFIG_SET_FLAG, Some(key), None, 0)
    }

    /// Sets an option to what a descriptor stands for.
    pub(crate) fn set_fd(&self, key: &CStr, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.configure(libc::FSCONFIG_SET_FD, Some(key), None, fd.as_raw_fd())
    }

    /// Makes the file system and a detached mount of it.
    pub(crate) fn mount(self, attributes: u64) -> io::Result<OwnedFd> {
        self.configure(libc::FSCONFIG_CMD_CREATE, None, None, 0)?;
        // SAFETY: takes integers.
        own(unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attributes as libc::c_uint) })
    }

    fn configure(&self, command: libc::c_uint, key: Option<&CStr>, value: Option<&CStr>, aux: RawFd) -> io::Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: key and value are C strings or null where the command takes none.
        let result = unsafe { libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, pointer(key), pointer(value), aux) };
        check(result).map(drop).map_err(|error| self.explain(error))
    }

    /// Adds the sentence that the kernel left in the context, if it left one. Keeps the error's kind.
    fn explain(&self, error: io::Error) -> io::Error {
        let mut text = [0; 256];
        match nix::unistd::read(&self.0, &mut text) {
            Ok(length) if length > 0 => {
                let said = String::from_utf8_lossy(&text[..length]);
                io::Error::new(error.kind(), format!("{error}: {}", said.trim_end()))
            }
            _ => error,
        }
    }
}

/// A detached copy of the mount at `path`.
pub(crate) fn clone_mount(path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is a C string.
    own(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Sets `attributes` on a detached mount, whose files are then seen through `userns` if one is given.
pub(crate) fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: u64, userns: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: attributes | if userns.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 },
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let size = size_of::<libc::mount_attr>();
    let pointer = &raw const attributes;
    // SAFETY: `attributes` is a valid mount_attr of the stated size.
    let result = unsafe { libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, pointer, size) };
    check(result).map(drop)
}

/// Attaches a detached mount at `path`.
pub(crate) fn attach_mount(mount: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: both paths are C strings.
    let result = unsafe { libc::syscall(libc::SYS_move_mount, mount.as_raw_fd(), c"".as_ptr(), libc::AT_FDCWD, path.as_ptr(), flags) };
    check(result).map(drop)
}
