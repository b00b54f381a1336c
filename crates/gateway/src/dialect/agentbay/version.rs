//! What a client understands, from what it said about itself when it made the session.

use crate::tool::Form;
use types::{ClientInfo, SdkLanguage};

/// The dialect's own name in [`ClientInfo::dialect`].
pub(super) const DIALECT: &str = "agentbay";

/// First Python version that reads the wrapped form.
const WRAPPED_SINCE: (u64, u64) = (0, 13);

/// How this client wants the results of commands and code. Python SDKs up to 0.12 show their users the bare text.
pub(super) fn form(client: &ClientInfo) -> Form {
    if client.dialect != DIALECT {
        return Form::Wrapped;
    }
    match client.language {
        Some(SdkLanguage::Python) if minor_version(&client.version).is_some_and(|version| version < WRAPPED_SINCE) => Form::Plain,
        // Only Python SDKs up to 0.9 send no statistics at all.
        None if client.version.is_empty() => Form::Plain,
        _ => Form::Wrapped,
    }
}

/// Major and minor number of `0.12.0`, `v0.12`, `0.13.0rc1`.
fn minor_version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.trim().trim_start_matches('v').split('.');
    let mut number = || {
        let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_python_and_silence_mean_plain_text() {
        use SdkLanguage::*;
        let check = |dialect: &str, language, version: &str, wanted| {
            let client = ClientInfo { dialect: dialect.into(), language, version: version.into(), ..ClientInfo::default() };
            assert_eq!(form(&client), wanted, "{client:?}");
        };
        check("agentbay", None, "", Form::Plain);
        check("agentbay", Some(Python), "0.9.3", Form::Plain);
        check("agentbay", Some(Python), "0.12.0", Form::Plain);
        check("agentbay", Some(Python), "0.13.0", Form::Wrapped);
        check("agentbay", Some(Python), "0.13.0rc1", Form::Wrapped);
        check("agentbay", Some(Python), "0.22.3", Form::Wrapped);
        check("agentbay", Some(Python), "1.0.0", Form::Wrapped);
        check("agentbay", Some(Python), "dev", Form::Wrapped);
        check("agentbay", Some(Typescript), "0.12.0", Form::Wrapped);
        check("agentbay", Some(Golang), "0.15.1", Form::Wrapped);
        check("agentbay", Some(Rust), "0.1.0", Form::Wrapped);
        check("agentbay", None, "2.0 of an unknown language", Form::Wrapped);
        check("native", None, "", Form::Wrapped);
    }
}
