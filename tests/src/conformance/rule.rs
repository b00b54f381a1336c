//! One way to break the protocol: what a proxy does to a request or its answer.

use super::breaker::Front;
use anyhow::{Context, Result};
use axum::http::{HeaderMap, Method};
use globset::Glob;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A rule, as `facts.toml` writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// A glob over `Action`, or over `CallMcpTool:tool`. On the other routes over `direct:tool`, `vpc:tool`, and on the
    /// WebSocket over `socket:method`, `socket:method:event` and, of what nobody asked for, `socket:event`. For AGB over
    /// `METHOD /path`, or over `mcp:tool`.
    pub on: String,
    /// How clients are met, where it is not as their SDK likes best.
    pub front: Option<Front>,
    /// How they are met at the addresses that a creation gives them, where it is not in the same way.
    pub routes: Option<Front>,
    /// Which requests the server would not take.
    pub refuse: Option<Refuse>,
    /// On the WebSocket: what the server says is kept back until the call has ended, what nobody asked for is for good.
    pub hold: bool,
    /// `error`: only answers that are failures.
    pub when: Option<Outcome>,
    /// The HTTP status instead of the server's.
    pub status: Option<u16>,
    /// Pointers into the answer's body to take away; `*` stands for every element.
    pub drop: Vec<String>,
    /// Pointers into the answer's body, with what to put there.
    pub set: BTreeMap<String, Value>,
    /// What to change in a tool's text.
    pub text: Option<Replace>,
    /// Parameters of the request to take away, as globs.
    pub request_drop: Vec<String>,
    /// Parameters of the request to put there. `$KEY` in them is the server's key.
    pub request_set: BTreeMap<String, String>,
    /// Arguments of the tool to take away.
    pub args_drop: Vec<String>,
    /// Arguments of the tool to put there.
    pub args_set: Map<String, Value>,
}

/// Which answers a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Failures.
    Error,
}

/// Requests of a kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// Those by this method.
    pub method: Option<String>,
    /// Those with this header.
    pub header: Option<String>,
    /// And with such a value of it, as a regular expression.
    #[serde(default)]
    pub like: String,
}

/// A replacement by regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// What to find.
    pub from: String,
    /// What to put there.
    pub to: String,
}

/// Parameters of a request, in their order.
pub(crate) type Params = Vec<(String, String)>;

impl Rule {
    /// Whether the rule is for a request of the control plane.
    pub fn covers(&self, action: &str, params: &Params) -> Result<bool> {
        let tool = value_of(params, "Name").map(|tool| format!("{action}:{tool}"));
        Ok(self.route().is_none() && self.names(&[Some(action.to_owned()), tool])?)
    }

    /// Whether the rule is for one of these names on another route.
    pub fn covers_on(&self, route: &str, names: &[String]) -> Result<bool> {
        let named: Vec<_> = names.iter().map(|name| Some(format!("{route}:{name}"))).collect();
        Ok(self.route() == Some(route) && self.names(&named)?)
    }

    /// Whether it is about the routes that a create offers, so that these must stay.
    pub fn concerns_routes(&self) -> bool {
        ["CreateMcpSession", "POST /mcp/createSession"].contains(&self.on.as_str())
            || self.route() == Some("direct")
            || self.routes.is_some()
    }

    /// Whether a request is one of those that it refuses; it may refuse none.
    pub fn meets(&self, method: &Method, headers: &HeaderMap) -> Result<bool> {
        let Some(Refuse { method: refused, header, like }) = &self.refuse else { return Ok(true) };
        let like = Regex::new(like)?;
        let has = |name: &String| headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| like.is_match(value));
        Ok(refused.as_ref().is_none_or(|refused| refused == method.as_str()) && header.as_ref().is_none_or(has))
    }

    /// The route that it is for, if that is not the control plane.
    fn route(&self) -> Option<&str> {
        self.on.split_once(':').map(|(route, _)| route).filter(|route| ["direct", "vpc", "socket"].contains(route))
    }

    fn names(&self, names: &[Option<String>]) -> Result<bool> {
        let glob = glob(&self.on)?;
        Ok(names.iter().flatten().any(|name| glob.is_match(name)))
    }

    /// Changes a request in the form of pairs.
    pub fn change_request(&self, params: &mut Params, key: &str) -> Result<()> {
        self.drop_params(params)?;
        params.extend(self.request_set.iter().map(|(name, value)| (name.clone(), value.replace("$KEY", key))));
        for (_, args) in params.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("args")) {
            let mut parsed = serde_json::from_str(args).context("the arguments are no JSON")?;
            self.change_args(&mut parsed);
            *args = parsed.to_string();
        }
        Ok(())
    }

    /// Takes away what it does not let through, and what it says otherwise.
    pub fn drop_params(&self, params: &mut Params) -> Result<()> {
        for dropped in &self.request_drop {
            let dropped = glob(dropped)?;
            params.retain(|(name, _)| !dropped.is_match(name));
        }
        params.retain(|(name, _)| !self.request_set.contains_key(name));
        Ok(())
    }

    /// Changes a tool's arguments.
    pub fn change_args(&self, args: &mut Value) {
        if let Value::Object(args) = args {
            args.retain(|name, _| !self.args_drop.contains(name));
            args.extend(self.args_set.clone());
        }
    }

    /// Changes an answer; returns its status.
    pub fn change_answer(&self, status: u16, body: &mut Value) -> Result<u16> {
        if self.when == Some(Outcome::Error) && status < 400 {
            return Ok(status);
        }
        for pointer in &self.drop {
            remove(body, &segments(pointer));
        }
        for (pointer, value) in &self.set {
            put(body, &segments(pointer), value);
        }
        if let Some(Replace { from, to }) = &self.text {
            let from = Regex::new(from)?;
            for place in TEXTS {
                if let Some(Value::String(text)) = body.pointer_mut(place) {
                    *text = from.replace_all(text, regex::NoExpand(to)).into_owned();
                }
            }
        }
        Ok(self.status.unwrap_or(status))
    }
}

/// Where a tool's text stands: by the control planes, on the direct route, at a session's own address.
const TEXTS: [&str; 4] = ["/Data/content/0/text", "/data/content/0/text", "/data/result/content/0/text", "/content/0/text"];

fn glob(pattern: &str) -> Result<globset::GlobMatcher> {
    Ok(Glob::new(pattern).with_context(|| format!("{pattern:?} is no glob"))?.compile_matcher())
}

/// A parameter's value.
pub(crate) fn value_of<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn segments(pointer: &str) -> Vec<&str> {
    pointer.split('/').skip(1).collect()
}

fn remove(body: &mut Value, path: &[&str]) {
    match (path, body) {
        ([last], Value::Object(map)) => {
            map.remove(*last);
        }
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| remove(item, rest)),
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

/// Only where the parents are there: an answer without `Data` does not get one piecemeal.
fn put(body: &mut Value, path: &[&str], value: &Value) {
    match (path, body) {
        ([last], Value::Object(map)) => {
            map.insert((*last).to_owned(), value.clone());
        }
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                put(inner, rest, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(rule: &str, answer: (u16, Value), wanted: (u16, Value)) {
        let rule: Rule = toml::from_str(rule).unwrap();
        let (status, mut body) = answer;
        let status = rule.change_answer(status, &mut body).unwrap();
        assert_eq!((status, body), wanted, "{rule:?}");
    }

    #[test]
    fn answers_are_changed() {
        check("drop = ['/a', '/b/*/c']", (200, json!({"a": 1, "b": [{"c": 1, "d": 2}]})), (200, json!({"b": [{"d": 2}]})));
        check("set = { '/a/b' = 2, '/x/y' = 3 }", (200, json!({"a": {}})), (200, json!({"a": {"b": 2}})));
        check("when = 'error'\nstatus = 200", (404, json!({})), (200, json!({})));
        check("when = 'error'\nstatus = 200\ndrop = ['/a']", (200, json!({"a": 1})), (200, json!({"a": 1})));
        let text = |text: &str| json!({"Data": {"content": [{"text": text}]}});
        check("text = { from = '\\d+', to = '$0' }", (200, text("a 12 b 3")), (200, text("a $0 b $0")));
    }

    #[test]
    fn requests_are_changed() {
        let rule: Rule = toml::from_str(
            "on = 'CallMcpTool:shell'\nrequest_drop = ['A']\nrequest_set = { B = 'is $KEY' }\nargs_drop = ['cwd']\nargs_set = { n = 1 }",
        )
        .unwrap();
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Params>();
        let mut params = pairs(&[("A", "1"), ("B", "2"), ("Name", "shell"), ("Args", r#"{"cwd":"/","command":"id"}"#)]);
        assert!(rule.covers("CallMcpTool", &params).unwrap());
        assert!(!rule.covers("CallMcpTool", &pairs(&[("Name", "read_file")])).unwrap());
        rule.change_request(&mut params, "key").unwrap();
        assert_eq!(params, pairs(&[("Name", "shell"), ("Args", r#"{"command":"id","n":1}"#), ("B", "is key")]));
    }
}
