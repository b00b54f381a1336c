//! Parameters into calls.

use super::actions::context;
use super::{extra_configs, version};
use crate::dialect::vendor::values::{labels, page_size, span};
use crate::dialect::vendor::{CONTEXTS, Params, Refusal, said, shown};
use control::{CreateSession, Lifetime, ListSessions};
use serde::Deserialize;
use types::{ClientInfo, Labels, SdkLanguage, SessionState};

/// The version of a client that had no occasion to name it.
const UNKNOWN_VERSION: &str = "unknown";

/// `CreateMcpSession`.
///
/// What asks for data, networks, policies or skills that this server does not have is refused: a session without them
/// would be a false success. What only matters to images of another kind (browser, mobile) or to the vendor's own
/// network is left aside.
pub(super) fn create_session(params: &Params, agent: &str) -> Result<CreateSession, Refusal> {
    refuse_later_features(params)?;
    extra_configs::check(params)?;
    let client = ClientInfo { vpc: params.flag("VpcResource")?, ..client(params, agent)? };
    Ok(CreateSession {
        image: params.text("ImageId").map(str::to_owned),
        labels: labels(params, "Labels")?.unwrap_or_default(),
        lifetime: lifetime(params)?,
        client,
        alias: None,
    })
}

/// The session that `CallMcpTool` makes when there is none. The call does not say which release sends it. Most that
/// can ask for it read the wrapped form, and the others show it.
pub(super) fn auto_session(params: &Params) -> CreateSession {
    let client = ClientInfo { dialect: version::DIALECT.to_owned(), version: UNKNOWN_VERSION.to_owned(), ..ClientInfo::default() };
    CreateSession { image: params.text("ImageId").map(str::to_owned), client, ..CreateSession::default() }
}

/// `ListSession`.
pub(super) fn list_sessions(params: &Params) -> Result<ListSessions, Refusal> {
    Ok(ListSessions {
        labels: labels(params, "Labels")?.unwrap_or_default(),
        state: params.text("Status").map(state).transpose()?,
        image: params.text("ImageId").map(str::to_owned),
        limit: page_size(params, "MaxResults")?,
        cursor: params.text("NextToken").map(str::to_owned),
    })
}

/// `SetLabel`'s labels, which must be there; that they are not empty is the engine's rule.
pub(super) fn new_labels(params: &Params) -> Result<Labels, Refusal> {
    labels(params, "Labels")?.ok_or_else(|| Refusal::missing("Labels"))
}

fn refuse_later_features(params: &Params) -> Result<(), Refusal> {
    for (name, what) in [("ContextId", CONTEXTS), ("NetworkId", "shared networks"), ("McpPolicyId", "policies"), ("Skills", "skills")] {
        if params.text(name).is_some() {
            return Err(Refusal::unsupported(name, what));
        }
    }
    if params.flag("LoadSkill")? {
        return Err(Refusal::unsupported("LoadSkill", "skills"));
    }
    Ok(())
}

/// `Timeout` is in seconds when it stands alone, in minutes beside `MaxRuntime`.
fn lifetime(params: &Params) -> Result<Lifetime, Refusal> {
    if params.flag("ManualRelease")? {
        return Ok(Lifetime::Manual);
    }
    let max_life = span(params, "MaxRuntime", 60)?;
    let idle = span(params, "Timeout", if max_life.is_some() { 60 } else { 1 })?;
    Ok(match (idle, max_life) {
        (None, None) => Lifetime::Default,
        (idle, max_life) => Lifetime::Limits { idle, max_life },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    context_id: String,
    path: String,
}

/// The id of the file-transfer context that comes with the session; every other binding is refused.
pub(super) fn transfer_context(params: &Params) -> Result<Option<String>, Refusal> {
    let mut bindings = params.json::<Vec<Binding>>("PersistenceDataList")?.unwrap_or_default();
    match bindings.pop() {
        None => Ok(None),
        Some(only) if bindings.is_empty() && context::TRANSFER_PATHS.contains(&only.path.as_str()) => Ok(Some(only.context_id)),
        Some(_) => Err(Refusal::unsupported("PersistenceDataList", CONTEXTS)),
    }
}

fn client(params: &Params, agent: &str) -> Result<ClientInfo, Refusal> {
    Ok(said(params, "SdkStats", version::DIALECT)?.unwrap_or_else(|| silent_client(params, agent)))
}

/// Who says nothing about itself: a program written by hand, or a Python SDK up to 0.9. All of those but the first
/// release say of each session whether it is to be in a private network.
fn silent_client(params: &Params, agent: &str) -> ClientInfo {
    let dialect = version::DIALECT.to_owned();
    let first = agent.contains("TeaDSL/") && agent.contains(" Python/") && params.text("VpcResource").is_none();
    if first {
        ClientInfo { dialect, language: Some(SdkLanguage::Python), version: version::FIRST_PYTHON.to_owned(), ..ClientInfo::default() }
    } else {
        ClientInfo { dialect, ..ClientInfo::default() }
    }
}

/// The words of the wire, in any case.
fn state(word: &str) -> Result<SessionState, Refusal> {
    Ok(match word.to_ascii_uppercase().as_str() {
        "CREATING" => SessionState::Creating,
        "RUNNING" => SessionState::Running,
        "PAUSING" => SessionState::Pausing,
        "PAUSED" => SessionState::Paused,
        "RESUMING" => SessionState::Resuming,
        "DELETING" => SessionState::Deleting,
        "DELETED" | "FINISH" => SessionState::Finished,
        _ => {
            let words = "RUNNING, PAUSING, PAUSED, RESUMING, DELETING, DELETED or FINISH";
            return Err(Refusal::invalid("Status", format!("must be {words}, got {:?}", shown(word))));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    fn create(pairs: &[(&str, &str)]) -> Result<CreateSession, Refusal> {
        let params = params(pairs);
        transfer_context(&params)?;
        create_session(&params, "")
    }

    #[test]
    fn lifetimes_mind_seconds_and_minutes() {
        let check = |pairs: &[(&str, &str)], wanted| assert_eq!(create(pairs).unwrap().lifetime, wanted, "{pairs:?}");
        let secs = |n| Some(Duration::from_secs(n));
        check(&[], Lifetime::Default);
        check(&[("Timeout", "90")], Lifetime::Limits { idle: secs(90), max_life: None });
        check(&[("Timeout", "5"), ("MaxRuntime", "30")], Lifetime::Limits { idle: secs(300), max_life: secs(1800) });
        check(&[("MaxRuntime", "30")], Lifetime::Limits { idle: None, max_life: secs(1800) });
        check(&[("ManualRelease", "True")], Lifetime::Manual);
        for bad in [[("Timeout", "0")], [("Timeout", "soon")], [("MaxRuntime", "99999999999")], [("ManualRelease", "maybe")]] {
            assert_eq!(create(&bad).unwrap_err().code(), "InvalidParameter", "{bad:?}");
        }
    }

    #[test]
    fn a_session_is_asked_for_as_each_sdk_does() {
        let request = create(&[
            ("ImageId", "code_latest"),
            ("Labels", r#"{"env":"\u00e9"}"#),
            ("VpcResource", "False"),
            ("PersistenceDataList", "[]"),
            ("LoginRegionId", "cn-hangzhou"),
            ("SdkStats", r#"{"source":"sdk","sdk_language":"python","sdk_version":"0.22.3","is_release":true,"framework":"x"}"#),
        ])
        .unwrap();
        assert_eq!(request.image.as_deref(), Some("code_latest"));
        assert_eq!(request.labels.iter().collect::<Vec<_>>(), [("env", "é")]);
        assert_eq!(request.client.language, Some(SdkLanguage::Python));
        assert_eq!((request.client.version.as_str(), request.client.framework.as_str()), ("0.22.3", "x"));
        assert_eq!(request.client.dialect, "agentbay");
    }

    #[test]
    fn what_this_server_has_not_is_refused_by_name() {
        for (name, value) in [
            ("PersistenceDataList", r#"[{"ContextId":"c","Path":"/p"}]"#),
            ("ContextId", "c"),
            ("NetworkId", "n"),
            ("McpPolicyId", "p"),
            ("LoadSkill", "true"),
            ("Skills", r#"["a"]"#),
        ] {
            let error = create(&[(name, value)]).unwrap_err();
            assert_eq!(error.code(), "UnsupportedParameter");
            assert!(error.message().starts_with(name), "{}", error.message());
        }
    }

    #[test]
    fn the_first_release_is_known_by_what_it_leaves_out() {
        const TEA: &str = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2";
        let check = |agent, pairs: &[(&str, &str)], wanted| {
            let client = create_session(&params(pairs), agent).unwrap().client;
            assert_eq!(client.version, wanted, "{agent} {pairs:?}");
        };
        check(TEA, &[], version::FIRST_PYTHON);
        check(TEA, &[("VpcResource", "False")], "");
        check("curl/8", &[], "");
        check(TEA, &[("SdkStats", r#"{"sdk_language":"python","sdk_version":"0.22.3"}"#)], "0.22.3");
    }

    #[test]
    fn a_file_transfer_context_comes_along_and_no_other() {
        let binding = |path: &str| format!(r#"{{"ContextId":"SdkCtx-a","Path":"{path}","Policy":"{{}}"}}"#);
        let with = |list: &str| transfer_context(&params(&[("PersistenceDataList", list)]));
        for path in ["/temp/file-transfer", "/tmp/file-transfer"] {
            assert_eq!(with(&format!("[{}]", binding(path))).unwrap().as_deref(), Some("SdkCtx-a"));
        }
        let good = binding("/tmp/file-transfer");
        for bad in [binding("/home"), format!("{good},{good}")] {
            assert_eq!(with(&format!("[{bad}]")).unwrap_err().code(), "UnsupportedParameter", "{bad}");
        }
        assert_eq!(with("[]").unwrap(), None);
    }

    #[test]
    fn malformed_fields_are_refused_by_name() {
        for (name, value) in [
            ("Labels", "{"),
            ("Labels", "[1]"),
            ("Labels", r#"{"a":1}"#),
            ("Labels", r#"{"a":""}"#),
            ("Labels", r#"{"":"a"}"#),
            ("SdkStats", "x"),
            ("PersistenceDataList", "{}"),
        ] {
            let error = create(&[(name, value)]).unwrap_err();
            assert_eq!(error.code(), "InvalidParameter", "{name}={value}");
            assert!(error.message().starts_with(name), "{}", error.message());
        }
    }

    #[test]
    fn lists_have_defaults_and_bounds() {
        let list = list_sessions(&params(&[("Labels", "{}")])).unwrap();
        assert_eq!(list, ListSessions { limit: 10, ..ListSessions::default() });
        for (word, state) in [("RUNNING", SessionState::Running), ("running", SessionState::Running), ("Paused", SessionState::Paused)] {
            assert_eq!(list_sessions(&params(&[("Status", word)])).unwrap().state, Some(state));
        }
        for bad in [[("MaxResults", "0")], [("MaxResults", "101")], [("Status", "ASLEEP")]] {
            assert_eq!(list_sessions(&params(&bad)).unwrap_err().code(), "InvalidParameter", "{bad:?}");
        }
    }
}
