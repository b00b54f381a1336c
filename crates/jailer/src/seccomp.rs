//! The system-call policy, as reviewed data, and the programs made from it.
//!
//! [`policy`] is the list people review; [`compile`] turns it into a BPF program. What the list does not name answers
//! `ENOSYS`, so that programs written for newer kernels fall back as on an older kernel.

mod compile;
#[cfg(test)]
mod evaluate;
mod policy;

use libc::sock_filter;

/// Whom a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The guest itself: may make processes into a cgroup with `clone3`.
    Guest,
    /// Everything the guest starts: `clone3` answers `ENOSYS` (so that libc falls back to `clone`, whose flags are
    /// checked) and no namespace can be made or joined.
    Command,
}

/// The filter program for `profile`.
pub fn program(profile: Profile) -> Vec<sock_filter> {
    let mut table = policy::table();
    if profile == Profile::Guest {
        table.insert(libc::SYS_clone3 as u32, policy::Verdict::Allow);
    }
    compile::compile(policy::ARCHITECTURE, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evaluate::{Call, Outcome, run};

    const ENOSYS: Outcome = Outcome::Errno(libc::ENOSYS);
    const EPERM: Outcome = Outcome::Errno(libc::EPERM);

    fn check(profile: Profile, number: i64, arg0: u64, expected: Outcome) {
        let call = Call { arch: policy::ARCHITECTURE, number: number as u32, args: [arg0, 0, 0, 0, 0, 0] };
        assert_eq!(run(&program(profile), &call), expected, "call {number} with {arg0:#x} under {profile:?}");
    }

    fn check_both(number: i64, arg0: u64, expected: Outcome) {
        check(Profile::Guest, number, arg0, expected);
        check(Profile::Command, number, arg0, expected);
    }

    #[test]
    fn everyday_calls_pass() {
        for number in [libc::SYS_read, libc::SYS_execve, libc::SYS_futex, libc::SYS_openat, libc::SYS_seccomp, libc::SYS_prctl, 439] {
            check_both(number, 0, Outcome::Allow);
        }
    }

    #[test]
    fn dangerous_calls_are_refused() {
        for number in [
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
            libc::SYS_ptrace,
            libc::SYS_perf_event_open,
            libc::SYS_mount,
            libc::SYS_move_mount,
            libc::SYS_setns,
            libc::SYS_kexec_load,
            libc::SYS_finit_module,
            libc::SYS_swapon,
            libc::SYS_reboot,
            libc::SYS_clock_settime,
            libc::SYS_open_by_handle_at,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
        ] {
            check_both(number, 0, EPERM);
        }
    }

    #[test]
    fn namespaces_cannot_be_made() {
        let thread = (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD) as u64;
        check_both(libc::SYS_clone, thread, Outcome::Allow);
        check_both(libc::SYS_clone, libc::SIGCHLD as u64, Outcome::Allow);
        check_both(libc::SYS_unshare, libc::CLONE_FILES as u64, Outcome::Allow);
        for flag in [
            libc::CLONE_NEWNS,
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNET,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWCGROUP,
        ] {
            check_both(libc::SYS_clone, flag as u64 | thread, EPERM);
            check_both(libc::SYS_unshare, flag as u64, EPERM);
        }
        check_both(libc::SYS_unshare, libc::CLONE_NEWTIME as u64, EPERM);
    }

    #[test]
    fn clone3_is_for_the_guest_alone() {
        check(Profile::Guest, libc::SYS_clone3, 0, Outcome::Allow);
        check(Profile::Command, libc::SYS_clone3, 0, ENOSYS);
    }

    #[test]
    fn only_common_socket_families_exist() {
        for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            check_both(libc::SYS_socket, family as u64, Outcome::Allow);
        }
        for family in [libc::AF_ALG, libc::AF_PACKET, libc::AF_VSOCK, libc::AF_KEY] {
            check_both(libc::SYS_socket, family as u64, Outcome::Errno(libc::EAFNOSUPPORT));
        }
    }

    #[test]
    fn the_limit_of_core_files_stays_and_all_others_can_be_set() {
        let (core, files) = (libc::RLIMIT_CORE as u64, libc::RLIMIT_NOFILE as u64);
        let pretended = Outcome::Errno(0);
        let check = |number: i64, args: [u64; 6], expected| {
            let call = Call { arch: policy::ARCHITECTURE, number: number as u32, args };
            assert_eq!(run(&program(Profile::Command), &call), expected, "{call:?}");
        };
        check(libc::SYS_prlimit64, [0, core, 0, 0x1000, 0, 0], Outcome::Allow);
        check(libc::SYS_prlimit64, [0, files, 0x1000, 0, 0, 0], Outcome::Allow);
        check(libc::SYS_setrlimit, [files, 0x1000, 0, 0, 0, 0], Outcome::Allow);
        // A pointer may lie where its lower half is zero; the kernel reads 32 bits of a resource.
        for pointer in [0x1000, 0x7_0000_0000] {
            check(libc::SYS_prlimit64, [0, core, pointer, 0, 0, 0], pretended);
            check(libc::SYS_prlimit64, [1, core | 1 << 32, pointer, 0x1000, 0, 0], pretended);
            check(libc::SYS_setrlimit, [core, pointer, 0, 0, 0, 0], pretended);
        }
    }

    #[test]
    fn unknown_calls_and_x32_do_not_exist() {
        for number in [999, 0x4000_0000, 0x4000_0000 | libc::SYS_execve, 0xffff_ffff] {
            check_both(number, 0, ENOSYS);
        }
    }

    #[test]
    fn another_architecture_is_killed() {
        let i386 = Call { arch: 0x4000_0003, number: 1, args: [0; 6] };
        assert_eq!(run(&program(Profile::Command), &i386), Outcome::Kill);
    }

    #[test]
    fn every_number_gets_the_verdict_the_policy_names() {
        let table = policy::table();
        for number in 0..1024 {
            let expected = match table.get(&number) {
                Some(policy::Verdict::Allow) => Outcome::Allow,
                Some(policy::Verdict::Errno(errno)) => Outcome::Errno(*errno),
                Some(_) => continue,
                None => ENOSYS,
            };
            check(Profile::Command, i64::from(number), 0, expected);
        }
    }

    #[test]
    fn the_kernel_takes_the_program_and_keeps_to_it() {
        let filter = program(Profile::Command);
        let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the child makes only plain system calls and ends with _exit; `prog` is copied at the fork.
        unsafe {
            let pid = libc::fork();
            assert!(pid >= 0);
            if pid == 0 {
                let mut failed = 0;
                if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || libc::syscall(libc::SYS_seccomp, 1, 0, &raw const prog) != 0 {
                    libc::_exit(1);
                }
                let mut expect = |result: i64, errno: i32| {
                    failed |= i32::from(result != -1 || *libc::__errno_location() != errno);
                };
                expect(libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNS), libc::EPERM);
                expect(libc::syscall(libc::SYS_clone3, 0, 0), libc::ENOSYS);
                expect(libc::syscall(libc::SYS_bpf, 0, 0, 0), libc::EPERM);
                expect(libc::syscall(libc::SYS_socket, libc::AF_ALG, libc::SOCK_SEQPACKET, 0), libc::EAFNOSUPPORT);
                expect(libc::syscall(999), libc::ENOSYS);
                libc::_exit(if failed == 0 && libc::getpid() > 0 { 0 } else { 2 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
            assert_eq!(status, 0, "1: not installed, 2: a call got another answer");
        }
    }
}
