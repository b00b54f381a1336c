//! The environment a program sees: a login's, the session's over it, the caller's over that.

use protocol::tools::environment::{MAX_BYTES, MAX_VARIABLES};
use protocol::{ToolError, ToolErrorCode};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::SandboxUser;

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest `NAME=value` with its final NUL, bytes: with a longer one the kernel executes no program at all.
const MAX_VARIABLE: usize = 128 << 10;

/// The session's variables, which every program sees that starts later.
#[derive(Debug, Default)]
pub struct Variables(Mutex<Table>);

#[derive(Debug, Default, Clone)]
struct Table {
    /// Rises with every change.
    version: u64,
    /// Name → value, and the version that set it.
    set: BTreeMap<String, (String, u64)>,
}

impl Variables {
    /// Sets variables and leaves the others as they are: all of them, or none on an error. Says how many there are now.
    ///
    /// # Errors
    /// A name or value that no environment can hold, or more than a session can have.
    pub fn set(&self, variables: BTreeMap<String, String>) -> Result<usize, ToolError> {
        check(&variables)?;
        let mut table = self.lock();
        let mut next = table.clone();
        next.version += 1;
        for (name, value) in variables {
            if name.len() + value.len() + 2 > MAX_VARIABLE {
                let message = format!("envs: the value of {name} has {} bytes; a program can be given 128 KiB", value.len());
                return Err(ToolError::new(ToolErrorCode::TooLarge, message));
            }
            next.set.insert(name, (value, next.version));
        }
        let bytes: usize = next.set.iter().map(|(name, (value, _))| name.len() + value.len()).sum();
        if next.set.len() > MAX_VARIABLES || bytes > MAX_BYTES {
            let message = format!(
                "envs: the session would have {} variables of {bytes} bytes; it can have {MAX_VARIABLES} of {MAX_BYTES} bytes",
                next.set.len()
            );
            return Err(ToolError::new(ToolErrorCode::TooLarge, message));
        }
        *table = next;
        Ok(table.set.len())
    }

    /// What a program of `user` sees: all of it, or those of `names` that are set.
    pub fn seen_by(&self, user: SandboxUser, names: &[String]) -> BTreeMap<String, String> {
        let mut variables = login(user);
        variables.extend(self.lock().pairs());
        variables.retain(|name, _| names.is_empty() || names.contains(name));
        variables
    }

    /// The version of the variables, for [`Self::changed_since`].
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// What was set since a version.
    pub fn changed_since(&self, version: u64) -> BTreeMap<String, String> {
        let table = self.lock();
        let changed = table.set.iter().filter(|(_, (_, set))| *set > version);
        changed.map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// Takes those out of `variables` that the session sets itself.
    pub fn remove_set(&self, variables: &mut BTreeMap<String, String>) {
        let table = self.lock();
        variables.retain(|name, _| !table.set.contains_key(name));
    }

    /// All that a program of `user` sees, the caller's `extra` variables among them.
    ///
    /// # Errors
    /// A name or value that no environment can hold.
    pub fn of(&self, user: SandboxUser, extra: &BTreeMap<String, String>) -> Result<Vec<CString>, ToolError> {
        check(extra)?;
        let mut variables = login(user);
        variables.extend(self.lock().pairs());
        variables.extend(extra.clone());
        let text = |(name, value)| CString::new(format!("{name}={value}")).expect("checked when it was set");
        Ok(variables.into_iter().map(text).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn pairs(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.set.iter().map(|(name, (value, _))| (name.clone(), value.clone()))
    }
}

/// What a login of `user` sets.
fn login(user: SandboxUser) -> BTreeMap<String, String> {
    let (name, home) = (user.name(), user.home());
    let variables = [
        ("HOME", home.to_owned()),
        ("USER", name.to_owned()),
        ("LOGNAME", name.to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        // Where `pip install --user` puts programs; first, so that they win over the image's, as in a login shell.
        ("PATH", format!("{home}/.local/bin:{SYSTEM_PATH}")),
        ("LANG", "C.UTF-8".to_owned()),
        // There is no terminal: programs should not send control sequences.
        ("TERM", "dumb".to_owned()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn check(variables: &BTreeMap<String, String>) -> Result<(), ToolError> {
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(ToolError::invalid(format!("envs: {name:?} cannot name a variable; names are non-empty, without '=' and NUL")));
        }
        if value.contains('\0') {
            return Err(ToolError::invalid(format!("envs: the value of {name} contains a NUL byte")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Vec<CString>, ToolError> {
        Variables::default().of(SandboxUser::Wuying, &BTreeMap::from([(name.into(), value.into())]))
    }

    #[test]
    fn variables_of_the_caller_win() {
        let env = with("HOME", "/tmp").unwrap();
        assert!(env.contains(&c"HOME=/tmp".to_owned()));
        assert!(env.contains(&c"USER=wuying".to_owned()));
        assert_eq!(env.iter().filter(|v| v.as_bytes().starts_with(b"HOME=")).count(), 1);
    }

    #[test]
    fn impossible_names_and_values_are_refused_by_name() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("GOOD", "x\0y")] {
            assert!(with(name, value).unwrap_err().message.starts_with("envs: "), "{name:?}");
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_sessions_variables_merge_and_lie_between_login_and_caller() {
        let variables = Variables::default();
        assert_eq!(variables.set(map(&[("A", "1"), ("LANG", "de_CH")])).unwrap(), 2);
        let version = variables.version();
        assert_eq!(variables.set(map(&[("A", "2"), ("B", "3")])).unwrap(), 3);
        assert_eq!(variables.changed_since(version), map(&[("A", "2"), ("B", "3")]));
        let names = ["A", "LANG", "HOME", "NONE"].map(String::from);
        let seen = map(&[("A", "2"), ("LANG", "de_CH"), ("HOME", "/home/wuying")]);
        assert_eq!(variables.seen_by(SandboxUser::Wuying, &names), seen);
        assert_eq!(variables.seen_by(SandboxUser::Root, &[]).len(), 9);
        let env = variables.of(SandboxUser::Wuying, &map(&[("A", "caller")])).unwrap();
        assert!(env.contains(&c"A=caller".to_owned()) && env.contains(&c"B=3".to_owned()));
        let mut suggested = map(&[("A", "image"), ("C", "image")]);
        variables.remove_set(&mut suggested);
        assert_eq!(suggested, map(&[("C", "image")]));
    }

    #[test]
    fn a_session_has_so_many_variables_and_a_refused_change_changes_nothing() {
        let variables = Variables::default();
        let long = "x".repeat(100_000);
        variables.set(map(&[("A", &long), ("B", &long)])).unwrap();
        let many: BTreeMap<String, String> = (0..MAX_VARIABLES).map(|n| (format!("N{n}"), String::new())).collect();
        for refused in [map(&[("C", &long)]), map(&[("A", "1"), ("D", &"x".repeat(MAX_VARIABLE))]), many, map(&[("A", "1"), ("", "")])] {
            assert!(variables.set(refused).unwrap_err().message.starts_with("envs: "));
        }
        assert_eq!((variables.version(), variables.seen_by(SandboxUser::Wuying, &["A".into()])["A"].len()), (1, 100_000));
        assert_eq!(variables.set(map(&[("A", "")])).unwrap(), 2);
    }
}
