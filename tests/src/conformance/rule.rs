//! One way to break the protocol: what a proxy does to a request or its answer.

use anyhow::{Context, Result};
use globset::Glob;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A rule, as `facts.toml` writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// A glob over `Action`, or over `CallMcpTool:tool`. For AGB over `METHOD /path`, or over `mcp:tool`.
    pub on: String,
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
    /// Parameters of the request to take away.
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
    /// Whether the rule is for a request.
    pub fn covers(&self, action: &str, params: &Params) -> Result<bool> {
        let glob = Glob::new(&self.on).with_context(|| format!("{:?} is no glob", self.on))?.compile_matcher();
        let tool = value_of(params, "Name").map(|tool| format!("{action}:{tool}"));
        Ok(glob.is_match(action) || tool.is_some_and(|tool| glob.is_match(tool)))
    }

    /// Whether it is about the routes that a create offers, so that these must stay.
    pub fn concerns_routes(&self) -> bool {
        ["CreateMcpSession", "POST /mcp/createSession"].contains(&self.on.as_str())
    }

    /// Changes a request.
    pub fn change_request(&self, params: &mut Params, key: &str) -> Result<()> {
        params.retain(|(name, _)| !self.request_drop.contains(name));
        for (name, value) in &self.request_set {
            params.retain(|(other, _)| other != name);
            params.push((name.clone(), value.replace("$KEY", key)));
        }
        for (_, args) in params.iter_mut().filter(|(name, _)| name == "Args") {
            *args = self.change_args(args)?;
        }
        Ok(())
    }

    /// Changes a tool's arguments.
    pub fn change_args(&self, args: &str) -> Result<String> {
        if self.args_drop.is_empty() && self.args_set.is_empty() {
            return Ok(args.to_owned());
        }
        let mut parsed: Map<String, Value> = serde_json::from_str(args).context("the arguments are no JSON object")?;
        parsed.retain(|name, _| !self.args_drop.contains(name));
        parsed.extend(self.args_set.clone());
        Ok(Value::Object(parsed).to_string())
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
        if let Some(Replace { from, to }) = &self.text
            && let Some(Value::String(text)) = text_of(body)
        {
            *text = Regex::new(from)?.replace_all(text, regex::NoExpand(to)).into_owned();
        }
        Ok(self.status.unwrap_or(status))
    }
}

/// A parameter's value.
pub(crate) fn value_of<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// A tool's text, in either vendor's answer.
fn text_of(body: &mut Value) -> Option<&mut Value> {
    let pointer = if body.get("Data").is_some() { "/Data/content/0/text" } else { "/data/content/0/text" };
    body.pointer_mut(pointer)
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
