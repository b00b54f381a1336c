//! A tiny BPF machine, so that tests can ask a program what it would answer.

use libc::*;

/// One system call as a filter sees it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Allow,
    Errno(i32),
    Kill,
}

/// Runs `program` on `call`.
pub(super) fn run(program: &[sock_filter], call: &Call) -> Outcome {
    let mut data = Vec::new();
    data.extend(call.number.to_le_bytes());
    data.extend(call.arch.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    call.args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));

    let (mut at, mut accumulator) = (0, 0u32);
    loop {
        let op = &program[at];
        let code = u32::from(op.code);
        at += 1;
        let when = |condition: bool| usize::from(if condition { op.jt } else { op.jf });
        if code == BPF_LD | BPF_W | BPF_ABS {
            let offset = op.k as usize;
            accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
        } else if code == BPF_ALU | BPF_AND | BPF_K {
            accumulator &= op.k;
        } else if code == BPF_JMP | BPF_JEQ | BPF_K {
            at += when(accumulator == op.k);
        } else if code == BPF_JMP | BPF_JGE | BPF_K {
            at += when(accumulator >= op.k);
        } else if code == BPF_RET | BPF_K {
            return match op.k & SECCOMP_RET_ACTION_FULL {
                SECCOMP_RET_ALLOW => Outcome::Allow,
                SECCOMP_RET_ERRNO => Outcome::Errno((op.k & SECCOMP_RET_DATA) as i32),
                SECCOMP_RET_KILL_PROCESS => Outcome::Kill,
                other => panic!("action {other:#x}"),
            };
        } else {
            panic!("instruction {code:#x}");
        }
    }
}
