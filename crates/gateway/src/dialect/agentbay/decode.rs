//! Parameters into calls.

use super::actions::context;
use super::params::{Params, shown};
use super::rescue::Refusal;
use super::{extra_configs, version};
use control::{CreateSession, Lifetime, ListSessions};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use types::{ClientInfo, Labels, SdkLanguage, SessionState};

/// Sessions on a page when the client names no number.
const DEFAULT_PAGE: u64 = 10;
/// Most sessions on a page.
const MAX_PAGE: u64 = 100;
/// Longest life that can be asked for, seconds (ten years): keeps sums of times in range.
const MAX_LIFE_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// The first release of the Python SDK, as a client's version.
pub(super) const FIRST_PYTHON: &str = "0.3.2";
/// The version of a client that had no occasion to name it.
const UNKNOWN_VERSION: &str = "unknown";
/// What [`Refusal::unsupported`] says is missing.
const CONTEXTS: &str = "synchronisation of contexts with sessions";
/// Longest version or framework name kept.
const MAX_STATS_LEN: usize = 64;

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
        labels: labels(params)?.unwrap_or_default(),
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
        labels: labels(params)?.unwrap_or_default(),
        state: params.text("Status").map(state).transpose()?,
        image: params.text("ImageId").map(str::to_owned),
        limit: page_size(params)?,
        cursor: params.text("NextToken").map(str::to_owned),
    })
}

/// `SetLabel`'s labels, which must be there; that they are not empty is the engine's rule.
pub(super) fn new_labels(params: &Params) -> Result<Labels, Refusal> {
    labels(params)?.ok_or_else(|| Refusal::missing("Labels"))
}

/// What `GetLink` points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkTarget {
    pub(super) web_socket: bool,
    pub(super) port: u16,
}

/// Ports inside a session that links lead to.
const LINK_PORTS: std::ops::RangeInclusive<u64> = 30100..=30199;

/// `GetLink`. Without a protocol it is a WebSocket link, as with the vendor.
pub(super) fn link(params: &Params) -> Result<LinkTarget, Refusal> {
    let range = format!("{}–{}", LINK_PORTS.start(), LINK_PORTS.end());
    let web_socket = match params.text("ProtocolType").map(str::to_ascii_lowercase).as_deref() {
        Some("https") => false,
        Some("wss") | None => true,
        Some(other) => return Err(Refusal::invalid("ProtocolType", format!("must be https or wss, got {:?}", shown(other)))),
    };
    let port = params.number("Port")?.ok_or_else(|| {
        Refusal::invalid(
            "Port",
            format!("is missing: this image has no service with a default link; name a port from {range} and serve on it"),
        )
    })?;
    if !LINK_PORTS.contains(&port) {
        return Err(Refusal::invalid("Port", format!("must be within {range}, got {port}")));
    }
    Ok(LinkTarget { web_socket, port: u16::try_from(port).expect("within the range of link ports") })
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

fn labels(params: &Params) -> Result<Option<Labels>, Refusal> {
    let pairs = params.json::<BTreeMap<String, String>>("Labels")?;
    pairs.map(|pairs| Labels::new(pairs).map_err(|error| Refusal::invalid("Labels", format!("are refused: {error}")))).transpose()
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

fn span(params: &Params, name: &'static str, unit_seconds: u64) -> Result<Option<Duration>, Refusal> {
    let Some(count) = params.number(name)? else { return Ok(None) };
    let most = MAX_LIFE_SECONDS / unit_seconds;
    if !(1..=most).contains(&count) {
        let unit = if unit_seconds == 1 { "seconds" } else { "minutes" };
        return Err(Refusal::invalid(name, format!("must be 1 to {most} {unit}, got {count}")));
    }
    Ok(Some(Duration::from_secs(count * unit_seconds)))
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

#[derive(Deserialize, Default)]
#[serde(default)]
struct SdkStats {
    sdk_language: Option<String>,
    sdk_version: Option<String>,
    framework: Option<String>,
}

fn client(params: &Params, agent: &str) -> Result<ClientInfo, Refusal> {
    let Some(stats) = params.json::<SdkStats>("SdkStats")? else { return Ok(silent_client(params, agent)) };
    let short = |text: Option<String>| text.unwrap_or_default().chars().take(MAX_STATS_LEN).collect::<String>();
    let language = match stats.sdk_language.unwrap_or_default().to_ascii_lowercase().as_str() {
        "python" => Some(SdkLanguage::Python),
        "typescript" => Some(SdkLanguage::Typescript),
        "golang" => Some(SdkLanguage::Golang),
        "java" => Some(SdkLanguage::Java),
        "rust" => Some(SdkLanguage::Rust),
        _ => None,
    };
    let (version, framework) = (short(stats.sdk_version), short(stats.framework));
    Ok(ClientInfo { dialect: version::DIALECT.to_owned(), language, version, framework, ..ClientInfo::default() })
}

/// Who says nothing about itself: a program written by hand, or a Python SDK up to 0.9. All of those but the first
/// release say of each session whether it is to be in a private network.
fn silent_client(params: &Params, agent: &str) -> ClientInfo {
    let dialect = version::DIALECT.to_owned();
    let first = agent.contains("TeaDSL/") && agent.contains(" Python/") && params.text("VpcResource").is_none();
    if first {
        ClientInfo { dialect, language: Some(SdkLanguage::Python), version: FIRST_PYTHON.to_owned(), ..ClientInfo::default() }
    } else {
        ClientInfo { dialect, ..ClientInfo::default() }
    }
}

fn page_size(params: &Params) -> Result<u32, Refusal> {
    let size = params.number("MaxResults")?.unwrap_or(DEFAULT_PAGE);
    match u32::try_from(size) {
        Ok(limit) if (1..=MAX_PAGE).contains(&size) => Ok(limit),
        _ => Err(Refusal::invalid("MaxResults", format!("must be 1 to {MAX_PAGE}, got {size}"))),
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
        check(TEA, &[], FIRST_PYTHON);
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

    #[test]
    fn links_need_a_port_of_the_range() {
        let check = |pairs: &[(&str, &str)], web_socket, port| {
            assert_eq!(link(&params(pairs)).unwrap(), LinkTarget { web_socket, port }, "{pairs:?}");
        };
        check(&[("ProtocolType", "https"), ("Port", "30100")], false, 30100);
        check(&[("ProtocolType", "wss"), ("Port", "30199")], true, 30199);
        check(&[("Port", "30150")], true, 30150);
        for bad in [&[][..], &[("ProtocolType", "https")], &[("Port", "30099")], &[("Port", "30200")], &[("Port", "8080")]] {
            let error = link(&params(bad)).unwrap_err();
            assert!(error.message().contains("30100–30199"), "{}", error.message());
        }
        assert!(link(&params(&[("ProtocolType", "ftp"), ("Port", "30100")])).is_err());
    }
}
