//! From a table of verdicts to a BPF program.
//!
//! Numbers with the same verdict are joined to ranges and found by bisection: a call costs about eight comparisons,
//! and the kernel, which runs the whole program once per number when it is installed, is done in microseconds.

use super::policy::Verdict;
use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS, sock_filter,
};
use std::collections::BTreeMap;

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// `RLIMIT_CORE`, whose type differs between C libraries.
const CORE_LIMIT: u32 = 4;

/// The program that answers as `table` says, `ENOSYS` to every number it does not have, and kills a process that
/// makes calls of another architecture than `arch`.
pub(super) fn compile(arch: u32, table: &BTreeMap<u32, Verdict>) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE), jump(BPF_JEQ, arch, 1, 0), ret(SECCOMP_RET_KILL_PROCESS), load(NUMBER)];
    program.extend(bisect(&ranges(table)));
    program
}

/// Runs of numbers with one verdict, by first number; the first starts at 0, the last goes on for ever.
fn ranges(table: &BTreeMap<u32, Verdict>) -> Vec<(u32, Verdict)> {
    let unknown = Verdict::Errno(libc::ENOSYS);
    let mut ranges = vec![(0, unknown)];
    let mut push = |first: u32, verdict: Verdict| match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((start, last)) if *start == first => *last = verdict,
        _ => ranges.push((first, verdict)),
    };
    let mut next = 0;
    for (&number, &verdict) in table {
        if number > next {
            push(next, unknown);
        }
        push(number, verdict);
        next = number + 1;
    }
    push(next, unknown);
    ranges
}

fn bisect(ranges: &[(u32, Verdict)]) -> Vec<sock_filter> {
    if let [(_, verdict)] = ranges {
        return answer(*verdict);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (below, above) = (bisect(low), bisect(high));
    let over = u8::try_from(below.len()).expect("half of the policy's ranges fit into one jump, as the tests of this table show");
    let mut program = vec![jump(BPF_JGE, high[0].0, over, 0)];
    program.extend(below);
    program.extend(above);
    program
}

fn answer(verdict: Verdict) -> Vec<sock_filter> {
    match verdict {
        Verdict::Allow => vec![ret(SECCOMP_RET_ALLOW)],
        Verdict::Errno(errno) => vec![refuse(errno)],
        Verdict::WithoutBits { bits, errno } => {
            vec![load(ARGUMENTS), alu_and(bits), jump(BPF_JEQ, 0, 0, 1), ret(SECCOMP_RET_ALLOW), refuse(errno)]
        }
        Verdict::OneOf { values, errno } => {
            let mut program = vec![load(ARGUMENTS)];
            for (index, value) in values.iter().enumerate() {
                let to_allow = u8::try_from(values.len() - index).expect("the policy's lists are short");
                program.push(jump(BPF_JEQ, *value, to_allow, 0));
            }
            program.extend([refuse(errno), ret(SECCOMP_RET_ALLOW)]);
            program
        }
        Verdict::KeepsCoreLimit { resource, limit } => {
            let (resource, limit) = (argument(resource), argument(limit));
            // Only a null pointer sets nothing, so both its halves are looked at.
            vec![
                load(resource),
                jump(BPF_JEQ, CORE_LIMIT, 0, 4),
                load(limit),
                jump(BPF_JEQ, 0, 0, 3),
                load(limit + 4),
                jump(BPF_JEQ, 0, 0, 1),
                ret(SECCOMP_RET_ALLOW),
                refuse(0),
            ]
        }
    }
}

/// Offset of an argument's lower half.
fn argument(index: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(index)
}

fn refuse(errno: i32) -> sock_filter {
    ret(SECCOMP_RET_ERRNO | errno as u32)
}

/// Loads a word; of an argument its lower half, which both architectures (little-endian) keep first and which is all
/// the kernel reads of the checked ones.
fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

fn alu_and(mask: u32) -> sock_filter {
    instruction(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0)
}

fn ret(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value, 0, 0)
}

fn jump(test: u32, value: u32, when_true: u8, when_false: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_K | test, value, when_true, when_false)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_with_one_verdict_become_one_range() {
        let table = BTreeMap::from([(0, Verdict::Allow), (1, Verdict::Allow), (2, Verdict::Errno(1)), (5, Verdict::Allow)]);
        let unknown = Verdict::Errno(libc::ENOSYS);
        let expected = [(0, Verdict::Allow), (2, Verdict::Errno(1)), (3, unknown), (5, Verdict::Allow), (6, unknown)];
        assert_eq!(ranges(&table), expected);
    }

    #[test]
    fn an_empty_table_refuses_everything() {
        assert_eq!(ranges(&BTreeMap::new()), [(0, Verdict::Errno(libc::ENOSYS))]);
        assert_eq!(compile(7, &BTreeMap::new()).len(), 5);
    }
}
