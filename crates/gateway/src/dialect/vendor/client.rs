//! What a client says about itself when it makes a session.

use super::params::Params;
use super::refusal::Refusal;
use serde::Deserialize;
use types::{ClientInfo, SdkLanguage};

/// Longest version or framework name kept.
const MAX_LEN: usize = 64;

#[derive(Deserialize, Default)]
#[serde(default)]
struct SdkStats {
    sdk_language: Option<String>,
    sdk_version: Option<String>,
    framework: Option<String>,
}

/// What the statistics in parameter `name` tell of a client of `dialect`; nothing when it sends none.
pub(in crate::dialect) fn said(params: &Params, name: &'static str, dialect: &str) -> Result<Option<ClientInfo>, Refusal> {
    let Some(stats) = params.json::<SdkStats>(name)? else { return Ok(None) };
    let short = |text: Option<String>| text.unwrap_or_default().chars().take(MAX_LEN).collect::<String>();
    let language = match stats.sdk_language.unwrap_or_default().to_ascii_lowercase().as_str() {
        "python" => Some(SdkLanguage::Python),
        "typescript" => Some(SdkLanguage::Typescript),
        "golang" => Some(SdkLanguage::Golang),
        "java" => Some(SdkLanguage::Java),
        "rust" => Some(SdkLanguage::Rust),
        _ => None,
    };
    let (version, framework) = (short(stats.sdk_version), short(stats.framework));
    Ok(Some(ClientInfo { dialect: dialect.to_owned(), language, version, framework, ..ClientInfo::default() }))
}

/// Major and minor number of `0.12.0`, `v0.12`, `0.13.0rc1`.
pub(in crate::dialect) fn minor_version(text: &str) -> Option<(u64, u64)> {
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
    fn versions_are_read_as_far_as_they_are_numbers() {
        for (text, wanted) in [
            ("0.12.0", Some((0, 12))),
            ("v0.12", Some((0, 12))),
            (" 0.13.0rc1", Some((0, 13))),
            ("1.0b2", Some((1, 0))),
            ("1", None),
            ("dev", None),
            ("", None),
        ] {
            assert_eq!(minor_version(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn statistics_are_kept_in_short() {
        let params = |text: &str| Params::from_iter([("stats".to_owned(), text.to_owned())]);
        let long = "x".repeat(1000);
        let client = said(&params(&format!(r#"{{"sdk_language":"Python","sdk_version":"{long}"}}"#)), "stats", "agb").unwrap().unwrap();
        assert_eq!((client.dialect.as_str(), client.language, client.version.len()), ("agb", Some(SdkLanguage::Python), MAX_LEN));
        assert_eq!(said(&Params::default(), "stats", "agb").unwrap(), None);
        assert_eq!(said(&params("1"), "stats", "agb").unwrap_err().code(), "InvalidParameter");
    }
}
