//! Which system calls exist in a sandbox. This file is data: review it as such.
//!
//! A call is allowed when everyday programs (shells, compilers, package managers, Python, Node, Java, Go, databases)
//! need it; refused with `EPERM` when it is known and dangerous; checked by its first argument where only some uses
//! are; and does not exist (`ENOSYS`) otherwise. Capabilities and namespaces are further walls behind this one.

use libc::*;
use std::collections::BTreeMap;

/// What a call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It runs.
    Allow,
    /// It fails with this error.
    Errno(i32),
    /// It runs when its first argument has none of these bits, else it fails.
    WithoutBits { bits: u32, errno: i32 },
    /// It runs when its first argument is one of these, else it fails.
    OneOf { values: &'static [u32], errno: i32 },
    /// It runs, but setting the limit of core files does nothing and answers success. The numbers say which argument
    /// names the resource and which points to its new limit.
    KeepsCoreLimit { resource: u8, limit: u8 },
}

/// Calls that get the same verdict for the same reason.
struct Group {
    #[cfg_attr(not(test), expect(dead_code, reason = "for reviewers; a test sees that every group has one"))]
    reason: &'static str,
    verdict: Verdict,
    calls: &'static [c_long],
}

const ALLOW: Verdict = Verdict::Allow;
const REFUSE: Verdict = Verdict::Errno(EPERM);

/// `AUDIT_ARCH_*` of the architecture this is built for.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*` of the architecture this is built for.
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: u32 = 0xc000_00b7;

const NAMESPACE_FLAGS: u32 =
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET) as u32;

/// Numbers from 424 on are the same on every architecture; these are too new for the C library's headers.
mod recent {
    use libc::c_long;
    pub(super) const CACHESTAT: c_long = 451;
    pub(super) const FCHMODAT2: c_long = 452;
    pub(super) const MAP_SHADOW_STACK: c_long = 453;
    pub(super) const FUTEX_WAKE: c_long = 454;
    pub(super) const FUTEX_WAIT: c_long = 455;
    pub(super) const FUTEX_REQUEUE: c_long = 456;
    pub(super) const MSEAL: c_long = 462;
    pub(super) const SETXATTRAT: c_long = 463;
    pub(super) const GETXATTRAT: c_long = 464;
    pub(super) const LISTXATTRAT: c_long = 465;
    pub(super) const REMOVEXATTRAT: c_long = 466;
}

#[rustfmt::skip]
const GROUPS: &[Group] = &[
    Group {
        reason: "Reading and writing through descriptors.",
        verdict: ALLOW,
        calls: &[
            SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2,
            SYS_pwritev2, SYS_lseek, SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_ioctl, SYS_flock,
            SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_sync_file_range, SYS_fallocate, SYS_ftruncate, SYS_truncate,
            SYS_fadvise64, SYS_readahead, SYS_sendfile, SYS_splice, SYS_tee, SYS_vmsplice, SYS_copy_file_range,
            recent::CACHESTAT,
        ],
    },
    Group {
        reason: "Files and directories by name.",
        verdict: ALLOW,
        calls: &[
            SYS_openat, SYS_openat2, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat, SYS_mknodat, SYS_unlinkat,
            SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_renameat2, SYS_faccessat, SYS_faccessat2, SYS_fchmod,
            SYS_fchmodat, recent::FCHMODAT2, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_umask, SYS_fstat, SYS_newfstatat,
            SYS_statx, SYS_statfs, SYS_fstatfs, SYS_name_to_handle_at, SYS_chroot,
        ],
    },
    Group {
        reason: "Extended attributes: archives and package managers keep them.",
        verdict: ALLOW,
        calls: &[
            SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_listxattr, SYS_llistxattr,
            SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, recent::SETXATTRAT, recent::GETXATTRAT,
            recent::LISTXATTRAT, recent::REMOVEXATTRAT,
        ],
    },
    Group {
        reason: "Waiting for descriptors; file watching.",
        verdict: ALLOW,
        calls: &[
            SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2,
            SYS_signalfd4, SYS_pipe2, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
        ],
    },
    Group {
        reason: "Old asynchronous I/O: databases use it; small, and bounded by its own limit.",
        verdict: ALLOW,
        calls: &[SYS_io_setup, SYS_io_destroy, SYS_io_submit, SYS_io_cancel, SYS_io_getevents],
    },
    Group {
        reason: "Memory. Memory protection keys and sealing only take rights away.",
        verdict: ALLOW,
        calls: &[
            SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_process_madvise, SYS_mincore, SYS_msync,
            SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_munlock, SYS_munlockall, SYS_memfd_create, SYS_membarrier, SYS_get_mempolicy,
            SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect, SYS_remap_file_pages, recent::MAP_SHADOW_STACK, recent::MSEAL,
        ],
    },
    Group {
        reason: "Processes and threads: starting, waiting, ending, naming.",
        verdict: ALLOW,
        calls: &[
            SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_getpid, SYS_getppid, SYS_gettid,
            SYS_getpgid, SYS_setpgid, SYS_getsid, SYS_setsid, SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list,
            SYS_rseq, SYS_prctl, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_getcpu, SYS_getrusage, SYS_times, SYS_getrlimit,
        ],
    },
    Group {
        reason: "Limits, but that of core files stays: any other than 1 lets a crash start the host's handler of dumps.",
        verdict: Verdict::KeepsCoreLimit { resource: 1, limit: 2 },
        calls: &[SYS_prlimit64],
    },
    Group {
        reason: "As prlimit64.",
        verdict: Verdict::KeepsCoreLimit { resource: 0, limit: 1 },
        calls: &[SYS_setrlimit],
    },
    Group {
        reason: "Making threads and processes, but no namespaces.",
        verdict: Verdict::WithoutBits { bits: NAMESPACE_FLAGS, errno: EPERM },
        calls: &[SYS_clone],
    },
    Group {
        reason: "As clone; here the bit for time namespaces means that and nothing else.",
        verdict: Verdict::WithoutBits { bits: NAMESPACE_FLAGS | CLONE_NEWTIME as u32, errno: EPERM },
        calls: &[SYS_unshare],
    },
    Group {
        reason: "Its flags lie in memory where a filter cannot look; libc falls back to clone.",
        verdict: Verdict::Errno(ENOSYS),
        calls: &[SYS_clone3],
    },
    Group {
        reason: "Scheduling of one's own processes.",
        verdict: ALLOW,
        calls: &[
            SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_getparam, SYS_sched_setparam,
            SYS_sched_getscheduler, SYS_sched_setscheduler, SYS_sched_getattr, SYS_sched_setattr, SYS_sched_get_priority_max,
            SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_getpriority, SYS_setpriority, SYS_ioprio_get, SYS_ioprio_set,
        ],
    },
    Group {
        reason: "Signals and futexes.",
        verdict: ALLOW,
        calls: &[
            SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
            SYS_rt_sigsuspend, SYS_rt_sigreturn, SYS_sigaltstack, SYS_kill, SYS_tkill, SYS_tgkill, SYS_restart_syscall, SYS_futex,
            SYS_futex_waitv, recent::FUTEX_WAKE, recent::FUTEX_WAIT, recent::FUTEX_REQUEUE,
        ],
    },
    Group {
        reason: "Reading clocks, sleeping, timers.",
        verdict: ALLOW,
        calls: &[
            SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_getitimer, SYS_setitimer,
            SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create,
            SYS_timerfd_settime, SYS_timerfd_gettime,
        ],
    },
    Group {
        reason: "Users, groups and capabilities: the user namespace bounds them.",
        verdict: ALLOW,
        calls: &[
            SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_setuid, SYS_setgid,
            SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capget,
            SYS_capset,
        ],
    },
    Group {
        reason: "Programs that jail themselves further.",
        verdict: ALLOW,
        calls: &[SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self],
    },
    Group {
        reason: "Sockets of the families that have a use here; the others are seldom-tested kernel code.",
        verdict: Verdict::OneOf { values: &[AF_UNIX as u32, AF_INET as u32, AF_INET6 as u32, AF_NETLINK as u32], errno: EAFNOSUPPORT },
        calls: &[SYS_socket, SYS_socketpair],
    },
    Group {
        reason: "Everything one does with a socket.",
        verdict: ALLOW,
        calls: &[
            SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_getsockname, SYS_getpeername, SYS_sendto, SYS_recvfrom,
            SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown, SYS_setsockopt, SYS_getsockopt,
        ],
    },
    Group {
        reason: "System V and POSIX queues, semaphores, shared memory: the IPC namespace bounds them.",
        verdict: ALLOW,
        calls: &[
            SYS_shmget, SYS_shmat, SYS_shmdt, SYS_shmctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl, SYS_msgget, SYS_msgsnd,
            SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify,
            SYS_mq_getsetattr,
        ],
    },
    Group {
        reason: "Facts about the system; names, which the UTS namespace bounds; randomness.",
        verdict: ALLOW,
        calls: &[SYS_uname, SYS_sysinfo, SYS_sethostname, SYS_setdomainname, SYS_getrandom],
    },
    Group {
        reason: "Personalities that change nothing but what uname says; not those that weaken address randomness.",
        verdict: Verdict::OneOf { values: &[0, 0x2_0000, 0xffff_ffff], errno: EPERM },
        calls: &[SYS_personality],
    },
    Group {
        reason: "Mounts and roots are the starter's.",
        verdict: REFUSE,
        calls: &[
            SYS_mount, SYS_umount2, SYS_pivot_root, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
            SYS_mount_setattr, SYS_quotactl, SYS_quotactl_fd, SYS_swapon, SYS_swapoff, SYS_acct,
        ],
    },
    Group {
        reason: "Joining namespaces; looking into other processes; files past the directory tree.",
        verdict: REFUSE,
        calls: &[
            SYS_setns, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_open_by_handle_at,
            SYS_fanotify_init, SYS_fanotify_mark,
        ],
    },
    Group {
        reason: "Large kernel interfaces with a history of holes.",
        verdict: REFUSE,
        calls: &[
            SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_keyctl,
            SYS_add_key, SYS_request_key,
        ],
    },
    Group {
        reason: "The machine itself: kernel, modules, clock, log, memory placement.",
        verdict: REFUSE,
        calls: &[
            SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_syslog,
            SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_vhangup, SYS_mbind, SYS_set_mempolicy,
            SYS_migrate_pages, SYS_move_pages,
        ],
    },
];

/// Older forms of the calls above that only this architecture has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OWN: &[Group] = &[
    Group {
        reason: "Older forms of allowed calls.",
        verdict: ALLOW,
        calls: &[
            SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_poll, SYS_select, SYS_pipe, SYS_dup2, SYS_alarm, SYS_pause,
            SYS_fork, SYS_vfork, SYS_getpgrp, SYS_getdents, SYS_rename, SYS_renameat, SYS_mkdir, SYS_rmdir, SYS_link, SYS_unlink,
            SYS_symlink, SYS_readlink, SYS_chmod, SYS_chown, SYS_lchown, SYS_mknod, SYS_utime, SYS_utimes, SYS_futimesat, SYS_time,
            SYS_epoll_create, SYS_epoll_wait, SYS_inotify_init, SYS_eventfd, SYS_signalfd, SYS_arch_prctl,
        ],
    },
    Group { reason: "Bare hardware.", verdict: REFUSE, calls: &[SYS_iopl, SYS_ioperm] },
];
/// Older forms of the calls above that only this architecture has.
#[cfg(target_arch = "aarch64")]
const OWN: &[Group] = &[Group { reason: "Older forms of allowed calls.", verdict: ALLOW, calls: &[SYS_renameat] }];

/// The verdict of every call that is named.
pub(super) fn table() -> BTreeMap<u32, Verdict> {
    let groups = GROUPS.iter().chain(OWN);
    groups.flat_map(|group| group.calls.iter().map(|&call| (call as u32, group.verdict))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_reason_and_no_call_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for group in GROUPS.iter().chain(OWN) {
            assert!(group.reason.ends_with('.') && !group.calls.is_empty(), "{}", group.reason);
            for call in group.calls {
                assert!(seen.insert(call), "call {call} stands twice, once under {:?}", group.reason);
            }
        }
    }
}
