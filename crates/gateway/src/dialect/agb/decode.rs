//! Requests into parameters, and parameters into calls.

use super::version::DIALECT;
use crate::dialect::vendor::values::{labels, page_size, span};
use crate::dialect::vendor::{CONTEXTS, Params, Refusal, said};
use control::{CreateSession, Lifetime, ListSessions};
use http::Uri;
use serde_json::{Map, Value};
use types::{ClientInfo, Labels};

/// What a request says, in its query and in its body; the query counts. SDKs send a body of `{}`, or none, with what they
/// say in the query.
pub(super) fn params(uri: &Uri, body: &[u8]) -> Result<Params, Refusal> {
    let query = Params::parse(uri.query().unwrap_or_default().as_bytes());
    if body.trim_ascii().is_empty() {
        return Ok(query);
    }
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| Refusal::invalid("the request body", format!("is not a JSON object: {error}")))?;
    Ok(object.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect::<Params>().with(query))
}

/// A value as a parameter: a text as it is, everything else as JSON text, `null` as nothing.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// `/mcp/createSession`.
///
/// What asks for data or policies that this server does not have is refused: a session without them would be a false
/// success.
pub(super) fn create_session(params: &Params) -> Result<CreateSession, Refusal> {
    for (name, what) in [("contextId", CONTEXTS), ("mcpPolicyId", "policies"), ("sessionId", "ids that clients choose")] {
        if params.text(name).is_some() {
            return Err(Refusal::unsupported(name, what));
        }
    }
    if params.json::<Vec<Value>>("persistenceDataList")?.is_some_and(|list| !list.is_empty()) {
        return Err(Refusal::unsupported("persistenceDataList", CONTEXTS));
    }
    let silent = || ClientInfo { dialect: DIALECT.to_owned(), ..ClientInfo::default() };
    Ok(CreateSession {
        image: params.text("imageId").map(str::to_owned),
        labels: spelt_labels(params, "labels")?.unwrap_or_default(),
        lifetime: span(params, "timeout", 1)?.map_or(Lifetime::Default, |idle| Lifetime::Limits { idle: Some(idle), max_life: None }),
        client: said(params, "sdkStats", DIALECT)?.unwrap_or_else(silent),
        alias: None,
    })
}

/// `/sdk/ListSession`.
pub(super) fn list_sessions(params: &Params) -> Result<ListSessions, Refusal> {
    if params.flag("isAll")? {
        return Err(Refusal::unsupported("isAll", "list of sessions that are over"));
    }
    Ok(ListSessions {
        labels: spelt_labels(params, "labels")?.unwrap_or_default(),
        limit: page_size(params, "maxResults")?,
        cursor: params.text("nextToken").map(str::to_owned),
        ..ListSessions::default()
    })
}

/// The labels of `/sdk/SetLabel`, which must be there; that they are not empty is the engine's rule.
pub(super) fn new_labels(params: &Params) -> Result<Labels, Refusal> {
    spelt_labels(params, "Labels")?.ok_or_else(|| Refusal::missing("Labels"))
}

/// Labels under exactly this name. It has a capital at one endpoint and none at the others, and passing over the wrong
/// one would find or mark what was not asked for.
fn spelt_labels(params: &Params, name: &'static str) -> Result<Option<Labels>, Refusal> {
    match params.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name) && *other != name) {
        Some((other, _)) => Err(Refusal::invalid(other, format!("is not read at this endpoint; write it as {name:?}"))),
        None => labels(params, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn read(query: &str, body: &str) -> Result<Params, Refusal> {
        params(&format!("/mcp?{query}").parse().unwrap(), body.as_bytes())
    }

    fn create(query: &str, body: Value) -> Result<CreateSession, Refusal> {
        create_session(&read(query, &body.to_string()).unwrap())
    }

    #[test]
    fn the_query_counts_and_an_empty_body_says_nothing() {
        let both = read("sessionId=q&port=", r#"{"sessionId":"b","port":30100,"args":"{\"a\":1}","more":{"x":[1]},"none":null}"#).unwrap();
        let text = |name| both.text(name);
        assert_eq!((text("sessionId"), text("port"), text("args")), (Some("q"), Some("30100"), Some(r#"{"a":1}"#)));
        assert_eq!((text("more"), text("none")), (Some(r#"{"x":[1]}"#), None));
        for empty in ["", " \r\n", "{}"] {
            assert_eq!(read("a=b+%2F", empty).unwrap().text("a"), Some("b /"), "{empty:?}");
        }
        for bad in ["[]", "null", "1", "\"x\"", "{", "sessionId=x", "\u{0}"] {
            let error = read("", bad).unwrap_err();
            assert_eq!(error.code(), "InvalidParameter", "{bad}");
            assert!(error.message().starts_with("the request body is not a JSON object"), "{}", error.message());
        }
    }

    #[test]
    fn a_session_is_asked_for_as_each_version_does() {
        let stats = "sdkStats=%7B%22sdk_language%22%3A%22python%22%2C%22sdk_version%22%3A%220.12.0%22%7D";
        let request = create(&format!("imageId=agb-code-space-1&{stats}"), json!({"labels": r#"{"env":"é"}"#, "timeout": 90})).unwrap();
        assert_eq!(request.image.as_deref(), Some("agb-code-space-1"));
        assert_eq!(request.labels.iter().collect::<Vec<_>>(), [("env", "é")]);
        assert_eq!(request.lifetime, Lifetime::Limits { idle: Some(Duration::from_secs(90)), max_life: None });
        assert_eq!((request.client.dialect.as_str(), request.client.version.as_str()), ("agb", "0.12.0"));
        let silent = create("", json!({"persistenceDataList": []})).unwrap();
        assert_eq!((silent.image, silent.lifetime), (None, Lifetime::Default));
        assert_eq!((silent.client.dialect.as_str(), silent.client.version.as_str()), ("agb", ""));
    }

    #[test]
    fn what_this_server_has_not_is_refused_by_name() {
        for (name, value) in [
            ("persistenceDataList", json!([{"contextId": "c", "path": "/p", "policy": "{}"}])),
            ("contextId", json!("c")),
            ("mcpPolicyId", json!("p")),
            ("sessionId", json!("mine")),
        ] {
            let error = create("", json!({ name: value })).unwrap_err();
            assert_eq!(error.code(), "UnsupportedParameter");
            assert!(error.message().starts_with(name), "{}", error.message());
        }
        assert_eq!(list_sessions(&read("isAll=true", "").unwrap()).unwrap_err().code(), "UnsupportedParameter");
    }

    #[test]
    fn malformed_fields_are_refused_by_name() {
        for (name, value) in [
            ("labels", json!("[1]")),
            ("labels", json!(5)),
            ("timeout", json!(0)),
            ("timeout", json!(-1)),
            ("timeout", json!(1.5)),
            ("timeout", json!("soon")),
            ("persistenceDataList", json!({})),
            ("sdkStats", json!("x")),
        ] {
            let error = create("", json!({ name: value })).unwrap_err();
            assert_eq!(error.code(), "InvalidParameter", "{name}={value}");
            assert!(error.message().starts_with(name), "{}", error.message());
        }
    }

    #[test]
    fn labels_are_read_under_the_endpoints_own_spelling_alone() {
        let labels = "%7B%22a%22%3A%22b%22%7D";
        let params = |name: &str| read(&format!("{name}={labels}"), "").unwrap();
        assert_eq!(list_sessions(&params("labels")).unwrap().labels.len(), 1);
        assert_eq!(new_labels(&params("Labels")).unwrap().len(), 1);
        for error in [list_sessions(&params("Labels")).unwrap_err(), new_labels(&params("labels")).unwrap_err()] {
            assert!(error.message().contains("not read at this endpoint"), "{}", error.message());
        }
        assert!(create("Labels=x", json!({})).is_err());
        assert_eq!(new_labels(&read("", "").unwrap()).unwrap_err().code(), "MissingParameter");
    }
}
