//! This program parses what hostile programs send, so it starts only where it has nothing to lose.

use std::fs;

use nix::sys::prctl;
use nix::unistd::{geteuid, getuid};

use crate::Error;

/// Checks that there are no privileges, and gives up the way to any.
pub(crate) fn none_left() -> Result<(), Error> {
    if getuid().is_root() || geteuid().is_root() {
        return Err(Error::Privileged("its user is root".into()));
    }
    let start = |step| move |source| Error::Start { step, source };
    let status = fs::read_to_string("/proc/self/status").map_err(start("reading own capabilities from /proc/self/status"))?;
    if let Some(held) = capabilities(&status) {
        return Err(Error::Privileged(format!("it holds capabilities ({held})")));
    }
    prctl::set_no_new_privs().map_err(|e| start("giving up new privileges")(e.into()))?;
    // Nothing of what passes through here ends in a core file, nor can another process of this user trace it.
    prctl::set_dumpable(false).map_err(|e| start("forbidding dumps")(e.into()))
}

/// The effective and permitted capabilities that a `/proc/PID/status` shows, if there are any.
fn capabilities(status: &str) -> Option<String> {
    let held: Vec<&str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| matches!(*name, "CapPrm" | "CapEff" | "CapAmb"))
        .map(|(_, mask)| mask.trim())
        .filter(|mask| mask.bytes().any(|digit| digit != b'0'))
        .collect();
    (!held.is_empty()).then(|| held.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_bit_is_seen() {
        let none = "Name:\tx\nCapInh:\t0000000000000001\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n";
        assert_eq!(capabilities(none), None);
        assert_eq!(capabilities(&none.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000001000")), Some("0000000000001000".into()));
    }
}
