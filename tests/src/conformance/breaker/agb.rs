//! AGB's requests: paths and JSON instead of actions and forms. A rule names them `METHOD /path`, a tool call also
//! `mcp:tool`; parameters are the query's and the body's. An answer goes on when all of it is there, so the blanks that
//! keep a silent call alive are lost here.

use super::{BODY_LIMIT, Way, pairs};
use crate::conformance::rule::{Params, Rule};
use anyhow::{Context, Result};
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// Whether a path is AGB's.
pub(super) fn is_path(path: &str) -> bool {
    path == "/mcp" || ["/mcp/", "/sdk/", "/internet/", "/browser/"].iter().any(|start| path.starts_with(start))
}

/// Passes a request on, and its answer back, with the rule in between.
pub(super) async fn forward(way: &Way, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.context("reading the request")?;
    let path = head.uri.path();
    let action = format!("{} {path}", head.method);
    let mut sent = Sent {
        query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        authorization: authorization(&head.headers),
    };
    let is_covered = sent.is_covered(&way.rule, &action)? && way.rule.meets(&head.method, &head.headers)?;
    if is_covered {
        way.hit();
        sent.change(&way.rule, &way.key)?;
    }
    let mut onward = way.http.request(head.method.clone(), format!("{}{path}", way.upstream)).query(&sent.query);
    if let Some(authorization) = sent.authorization {
        onward = onward.header(header::AUTHORIZATION, authorization);
    }
    if head.method != "GET" {
        onward = onward.header(header::CONTENT_TYPE, "application/json").body(Value::Object(sent.body).to_string());
    }
    let answer = onward.send().await.context("asking the server")?;
    let (status, bytes) = (answer.status().as_u16(), answer.bytes().await?);
    let (status, bytes) = change(way, &action, is_covered, status, bytes)?;
    Ok((StatusCode::from_u16(status)?, [(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

struct Sent {
    query: Params,
    body: Map<String, Value>,
    authorization: Option<String>,
}

impl Sent {
    fn is_covered(&self, rule: &Rule, action: &str) -> Result<bool> {
        let tool = self.body.get("name").and_then(Value::as_str).filter(|_| action == "POST /mcp");
        let name: Params = tool.map(|tool| ("Name".to_owned(), tool.to_owned())).into_iter().collect();
        Ok(rule.covers(action, &Params::new())? || tool.is_some() && rule.covers("mcp", &name)?)
    }

    /// A parameter that is put there goes where it was; the key's is a header.
    fn change(&mut self, rule: &Rule, key: &str) -> Result<()> {
        self.body.retain(|name, _| !rule.request_drop.contains(name));
        self.query.retain(|(name, _)| !rule.request_drop.contains(name));
        for (name, value) in &rule.request_set {
            let value = value.replace("$KEY", key);
            if name == "authorization" {
                self.authorization = Some(value);
            } else if let Some((_, place)) = self.query.iter_mut().find(|(other, _)| other == name) {
                *place = value;
            } else {
                self.body.insert(name.clone(), value.into());
            }
        }
        if let Some(Value::String(args)) = self.body.get_mut("args") {
            let mut parsed = serde_json::from_str(args).context("the arguments are no JSON")?;
            rule.change_args(&mut parsed);
            *args = parsed.to_string();
        }
        Ok(())
    }
}

fn change(way: &Way, action: &str, is_covered: bool, status: u16, bytes: Bytes) -> Result<(u16, Bytes)> {
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else { return Ok((status, bytes)) };
    // Calls on the direct route would go past us.
    if !way.rule.concerns_routes()
        && matches!(action, "POST /mcp/createSession" | "POST /mcp/getSession")
        && let Some(data) = body.get_mut("data").and_then(Value::as_object_mut)
    {
        data.remove("linkUrl");
    }
    if !is_covered {
        return Ok((status, Bytes::from(body.to_string())));
    }
    // A failure need not show in the status here.
    let seen = if is_failure(&body) { status.max(400) } else { status };
    let changed = way.rule.change_answer(seen, &mut body)?;
    Ok((if changed == seen { status } else { changed }, Bytes::from(body.to_string())))
}

fn is_failure(body: &Value) -> bool {
    body["success"] != Value::Bool(true) || body["data"]["success"] == Value::Bool(false)
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::AUTHORIZATION)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(text: &str) -> Rule {
        toml::from_str(text).unwrap()
    }

    fn sent(query: &[(&str, &str)], body: &Value) -> Sent {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sent { query, body: body.as_object().unwrap().clone(), authorization: None }
    }

    #[test]
    fn rules_name_paths_and_tools() {
        let call = sent(&[], &json!({ "name": "shell" }));
        for (on, wanted) in [("*", true), ("POST /mcp", true), ("mcp:shell", true), ("mcp:read_file", false), ("POST /mcp/*", false)] {
            assert_eq!(call.is_covered(&rule(&format!("on = '{on}'")), "POST /mcp").unwrap(), wanted, "{on}");
        }
        let made = sent(&[], &json!({ "name": "shell" }));
        assert!(!made.is_covered(&rule("on = 'mcp:shell'"), "POST /mcp/createSession").unwrap());
        assert!(is_path("/mcp") && is_path("/sdk/ListSession") && !is_path("/") && !is_path("/mcpx"));
    }

    #[test]
    fn requests_change_in_query_body_and_header() {
        let rule =
            rule("request_drop = ['gone']\nrequest_set = { Labels = 'x', name = 'y', authorization = 'Bearer $KEY' }\nargs_drop = ['cwd']");
        let mut sent =
            sent(&[("Labels", "1"), ("gone", "1")], &json!({ "gone": 1, "name": "shell", "args": r#"{"cwd":"/","command":"id"}"# }));
        sent.change(&rule, "key").unwrap();
        assert_eq!(sent.query, [("Labels".to_owned(), "x".to_owned())]);
        assert_eq!(Value::Object(sent.body), json!({ "name": "y", "args": r#"{"command":"id"}"# }));
        assert_eq!(sent.authorization.as_deref(), Some("Bearer key"));
    }

    #[test]
    fn failures_are_told_by_the_body() {
        assert!(is_failure(&json!({ "success": false })));
        assert!(is_failure(&json!({ "success": true, "data": { "success": false } })));
        assert!(!is_failure(&json!({ "success": true, "data": {} })));
    }
}
