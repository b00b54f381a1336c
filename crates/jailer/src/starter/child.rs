//! Carrying out a plan, in the child, between clone and exec.
//!
//! The starter has threads, so its child may only make async-signal-safe calls: no allocation, no lock, no libc
//! wrapper that speaks to other threads. Everything was prepared before the clone.

use super::plan::Op;
use crate::sys;
use jailer::fdpass;
use libc::{c_int, c_long};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null;

/// The C library's type of a resource's name.
#[cfg(target_env = "gnu")]
pub(crate) type Resource = libc::__rlimit_resource_t;
/// The C library's type of a resource's name.
#[cfg(not(target_env = "gnu"))]
pub(crate) type Resource = c_int;

/// The first byte of what the child says: it is ready, a descriptor comes along.
pub(crate) const READY: u8 = b'R';
/// The first byte of what the child says: a step failed; its index and the errno follow, four bytes each.
pub(crate) const FAILED: u8 = b'F';

/// Descriptors the child works with. They were all open at the clone.
#[derive(Debug)]
pub(crate) struct Handles<'a> {
    /// Its end of the `SOCK_SEQPACKET` pair to the parent.
    pub(crate) parent: BorrowedFd<'a>,
    /// v1 `tasks` files.
    pub(crate) tasks: &'a [RawFd],
    /// The overlay, a detached mount.
    pub(crate) root: BorrowedFd<'a>,
    /// The device directory, a detached mount.
    pub(crate) dev: BorrowedFd<'a>,
    /// The guest's binary.
    pub(crate) guest: BorrowedFd<'a>,
    /// The starter's pidfd.
    pub(crate) starter: BorrowedFd<'a>,
    /// Pointers to the exec step's arguments and environment, each list with a null at its end.
    pub(crate) argv: &'a [*const libc::c_char],
    /// As above.
    pub(crate) env: &'a [*const libc::c_char],
}

/// Carries out `plan`; the last step does not return. A failed step is told to the parent and ends the process.
pub(crate) fn run(plan: &[Op], handles: &Handles<'_>) -> ! {
    let _never_back = NeverBack;
    for (index, op) in plan.iter().enumerate() {
        if let Err(error) = carry_out(op, handles) {
            let mut report = [FAILED; 9];
            report[1..5].copy_from_slice(&(index as u32).to_le_bytes());
            report[5..].copy_from_slice(&error.raw_os_error().unwrap_or(libc::EIO).to_le_bytes());
            let _ = fdpass::send(handles.parent, &report, &[]);
            break;
        }
    }
    // SAFETY: ends the process without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Ends the process when dropped, which only a panic could do: unwinding must not make this child a second starter.
struct NeverBack;

impl Drop for NeverBack {
    fn drop(&mut self) {
        // SAFETY: ends the process without running anything of the parent's.
        unsafe { libc::_exit(127) }
    }
}

fn carry_out(op: &Op, handles: &Handles<'_>) -> io::Result<()> {
    // SAFETY: every call below is async-signal-safe and gets either integers, C strings that `op` owns, or pointers to
    // values that live on this stack or were prepared by the parent; nothing allocates or takes a lock.
    unsafe {
        match op {
            Op::ResetSignals => reset_signals(),
            Op::JoinCgroups => handles.tasks.iter().try_for_each(|fd| write_all(*fd, b"0")),
            Op::NewCgroupNamespace => done(libc::unshare(libc::CLONE_NEWCGROUP)),
            Op::PrivateMounts => done(libc::mount(null(), c"/".as_ptr(), null(), libc::MS_REC | libc::MS_PRIVATE, null())),
            Op::AwaitMaps => await_maps(handles.parent),
            Op::BecomeRoot => {
                // Raw calls: the C library's would speak to threads that this process does not have.
                raw(libc::syscall(libc::SYS_setgroups, 0, null::<libc::gid_t>()))?;
                raw(libc::syscall(libc::SYS_setresgid, 0, 0, 0))?;
                raw(libc::syscall(libc::SYS_setresuid, 0, 0, 0))
            }
            Op::EnterRoot => {
                // The working directory is the starter's empty mount point; its path need not be searchable.
                sys::attach_mount(handles.root, c".")?;
                done(libc::fchdir(handles.root.as_raw_fd()))?;
                raw(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))
            }
            Op::MakeDir { path, mode } => unless(libc::EEXIST, done(libc::mkdir(path.as_ptr(), *mode))),
            Op::Mount { kind, target, flags, data } => {
                done(libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), *flags, data.as_ptr().cast()))
            }
            Op::AttachDev { target } => sys::attach_mount(handles.dev, target),
            Op::Hide { path } => {
                unless(libc::ENOENT, done(libc::mount(c"/dev/null".as_ptr(), path.as_ptr(), null(), libc::MS_BIND, null())))
            }
            Op::LeaveOldRoot => {
                done(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
                done(libc::chdir(c"/".as_ptr()))
            }
            Op::WriteFile { path, text } => write(path, text.to_bytes()),
            Op::SetHostname(name) => done(libc::sethostname(name.as_ptr(), name.as_bytes().len())),
            Op::NewSession => done(libc::setsid()),
            Op::NullStdio => {
                let device = open(c"/dev/null", libc::O_RDWR)?;
                (0..3).try_for_each(|fd| done(libc::dup2(device.as_raw_fd(), fd)))
            }
            Op::Listen { path, backlog } => listen(path, *backlog),
            Op::SetLimit { resource, value } => {
                let limit = libc::rlimit { rlim_cur: *value, rlim_max: *value };
                done(libc::setrlimit(*resource, &raw const limit))
            }
            Op::SetUmask(mask) => {
                libc::umask(*mask);
                Ok(())
            }
            Op::NoNewPrivileges => rule_out_new_privileges(),
            Op::KeepCapabilities(keep) => keep_capabilities(*keep),
            Op::DieWithStarter => die_with(handles.starter),
            Op::HandOver { path } => {
                let socket = open(path, libc::O_PATH | libc::O_NOFOLLOW)?;
                fdpass::send(handles.parent, &[READY], &[BorrowedFd::borrow_raw(socket.as_raw_fd())])
            }
            Op::CloseOthers => raw(libc::syscall(libc::SYS_close_range, 4, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)),
            Op::Filter(filter) => {
                let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
                raw(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program))
            }
            Op::Exec { .. } => {
                let guest = handles.guest.as_raw_fd();
                let (argv, env) = (handles.argv.as_ptr(), handles.env.as_ptr());
                raw(libc::syscall(libc::SYS_execveat, guest, c"".as_ptr(), argv, env, libc::AT_EMPTY_PATH))
            }
        }
    }
}

/// Has the kernel kill this process when its parent thread ends; fails if `starter` has already ended. Must come after
/// the last change of uid, which would undo it.
pub(crate) fn die_with(starter: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    if is_readable(starter)? { Err(io::Error::from_raw_os_error(libc::ESRCH)) } else { Ok(()) }
}

/// No program that this process executes can have more rights than it.
pub(crate) fn rule_out_new_privileges() -> io::Result<()> {
    // SAFETY: takes integers.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// Takes every capability but `keep` out of the bounding set.
pub(crate) fn drop_bounding_set(keep: u64) -> io::Result<()> {
    for capability in (0..64).filter(|capability| keep & 1 << capability == 0) {
        // SAFETY: takes integers.
        match done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) }) {
            // The first number that this kernel does not know ends the list.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Writes a short text into a file that is there.
pub(crate) fn write(path: &CStr, bytes: &[u8]) -> io::Result<()> {
    let file = open(path, libc::O_WRONLY)?;
    write_all(file.as_raw_fd(), bytes)
}

fn done(result: c_int) -> io::Result<()> {
    raw(result.into())
}

fn raw(result: c_long) -> io::Result<()> {
    sys::check(result).map(drop)
}

fn unless(errno: c_int, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(errno) => Ok(()),
        other => other,
    }
}

fn open(path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: `path` is a C string; the descriptor is fresh and ours alone.
    unsafe {
        let fd = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC);
        done(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn write_all(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: `bytes` is valid for reading. Kernel files take short texts whole or not at all.
    done(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as c_int)
}

fn await_maps(parent: BorrowedFd<'_>) -> io::Result<()> {
    let mut byte = 0u8;
    // SAFETY: `byte` is valid for writing.
    match unsafe { libc::read(parent.as_raw_fd(), (&raw mut byte).cast(), 1) } {
        1 => Ok(()),
        0 => Err(io::Error::from_raw_os_error(libc::ECANCELED)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, as stated.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    done(ready).map(|()| ready > 0)
}

fn reset_signals() -> io::Result<()> {
    // SAFETY: integers and a signal set on this stack.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        done(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()))
    }
}

/// Takes every other capability out of the bounding set, then out of the sets of this process.
fn keep_capabilities(keep: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;

    drop_bounding_set(keep)?;
    let header = Header { version: VERSION_3, pid: 0 };
    let half = |bits: u64| Sets { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let sets = [half(keep), half(keep >> 32)];
    // SAFETY: header and sets have the layout of version 3.
    unsafe {
        raw(libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()))?;
        done(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    }
}

fn listen(path: &CStr, backlog: c_int) -> io::Result<()> {
    // SAFETY: plain data; the address is filled below and its whole size is passed.
    unsafe {
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let bytes = path.to_bytes_with_nul();
        if bytes.len() > address.sun_path.len() {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        for (slot, byte) in address.sun_path.iter_mut().zip(bytes) {
            *slot = *byte as libc::c_char;
        }
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
        done(socket)?;
        done(libc::bind(socket, (&raw const address).cast(), size_of_val(&address) as libc::socklen_t))?;
        done(libc::listen(socket, backlog))?;
        // The starter keeps 3 taken from its first moment, so none of the handles is overwritten.
        done(libc::dup2(socket, protocol::GuestBoot::CONTROL_FD))?;
        done(libc::close(socket))
    }
}
