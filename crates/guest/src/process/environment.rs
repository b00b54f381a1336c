//! The environment a program sees: a login's, the session's over it, the caller's over that.

use protocol::ToolError;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::SandboxUser;

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The session's variables, which every program sees that starts later.
#[derive(Debug, Default)]
pub struct Variables(Mutex<BTreeMap<String, String>>);

impl Variables {
    /// All that a program of `user` sees, the caller's `extra` variables among them.
    ///
    /// # Errors
    /// A name or value that no environment can hold.
    pub fn of(&self, user: SandboxUser, extra: &BTreeMap<String, String>) -> Result<Vec<CString>, ToolError> {
        check(extra)?;
        let mut variables = login(user);
        variables.extend(self.lock().clone());
        variables.extend(extra.clone());
        let text = |(name, value)| CString::new(format!("{name}={value}")).expect("checked when it was set");
        Ok(variables.into_iter().map(text).collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
}
