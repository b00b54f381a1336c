//! Ending a command without a cgroup: its session, its process group and its descendants, as `/proc` shows them.
//!
//! This is second best: what has forked twice and called `setsid` is no longer recognisable as the command's.

use nix::sys::signal::{Signal, kill as send, killpg};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::fs;

/// A process that forks while we look is found in the next round; a fork bomb faster than that is the pids limit's.
const MAX_ROUNDS: usize = 16;

/// Kills the command whose first process is `leader`, which leads its session.
pub(super) fn kill(leader: i32) {
    // Kept over the rounds: what was killed is still its own while it dies, though its parent may be dead already.
    let mut family = HashSet::from([leader]);
    for _ in 0..MAX_ROUNDS {
        let found = living(leader, &mut family);
        let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = send(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Living processes that descend from `leader` or are of its session.
pub(super) fn members(leader: i32) -> Vec<i32> {
    living(leader, &mut HashSet::from([leader]))
}

/// As [`members`], with all that descend from `family` too, which they join.
fn living(leader: i32, family: &mut HashSet<i32>) -> Vec<i32> {
    let processes: Vec<Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| Stat::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect();
    loop {
        let before = family.len();
        family.extend(processes.iter().filter(|p| p.session == leader || family.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
        if family.len() == before {
            break;
        }
    }
    processes.iter().filter(|p| p.alive && family.contains(&p.pid)).map(|p| p.pid).collect()
}

struct Stat {
    pid: i32,
    alive: bool,
    parent: i32,
    session: i32,
}

impl Stat {
    fn parse(pid: i32, line: &str) -> Option<Self> {
        // The name in parentheses may itself hold parentheses and blanks.
        let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
        let alive = !matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        Some(Self { pid, alive, parent, session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_odd_names_parse() {
        let stat = Stat::parse(7, "7 (a) (b c) S 1 6 5 0 -1 4194560").unwrap();
        assert_eq!((stat.alive, stat.parent, stat.session), (true, 1, 5));
        assert!(Stat::parse(7, "garbage").is_none());
    }
}
