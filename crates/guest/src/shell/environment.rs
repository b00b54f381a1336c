//! The environment a command sees.

use protocol::ToolError;
use std::collections::BTreeMap;
use std::ffi::CString;
use types::SandboxUser;

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a login of `user` would set, overlaid with the caller's variables.
pub(super) fn of(user: SandboxUser, extra: &BTreeMap<String, String>) -> Result<Vec<CString>, ToolError> {
    let (name, home) = (user.name(), user.home());
    let mut variables: BTreeMap<&str, String> = BTreeMap::from([
        ("HOME", home.into()),
        ("USER", name.into()),
        ("LOGNAME", name.into()),
        ("SHELL", "/bin/bash".into()),
        // Where `pip install --user` puts programs; first, so that they win over the image's, as in a login shell.
        ("PATH", format!("{home}/.local/bin:{SYSTEM_PATH}")),
        ("LANG", "C.UTF-8".into()),
        // There is no terminal: programs should not send control sequences.
        ("TERM", "dumb".into()),
    ]);
    for (name, value) in extra {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(ToolError::invalid(format!("envs: {name:?} cannot name a variable; names are non-empty, without '=' and NUL")));
        }
        variables.insert(name, value.clone());
    }
    variables
        .into_iter()
        .map(|(name, value)| {
            CString::new(format!("{name}={value}"))
                .map_err(|_| ToolError::invalid(format!("envs: the value of {name} contains a NUL byte")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Vec<CString>, ToolError> {
        of(SandboxUser::Wuying, &BTreeMap::from([(name.into(), value.into())]))
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
