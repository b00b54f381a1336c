//! Arguments of tools, from the spellings of every SDK to the protocol's.

use protocol::tools::filesystem::SEARCH_FILES;
use protocol::tools::shell::{MAX_TIMEOUT_MS, SHELL};
use serde_json::{Map, Value};
use std::time::Duration;
use types::Fault;

/// Time limit of a command for which the client names none, milliseconds. The client gives up after 60 s without an
/// answer, so that a command that lasts longer would be lost to it; this way it hears of the time-out.
const DEFAULT_SHELL_TIMEOUT_MS: u64 = 55_000;

/// A call in the protocol's spelling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Normal {
    /// The arguments.
    pub(super) arguments: Value,
    /// The time limit of a command; none for other tools.
    pub(super) time_limit: Option<Duration>,
}

impl Normal {
    /// The same without the texts that may be long, for who only speaks of the call.
    pub(super) fn without_content(&self) -> Self {
        const SHORT: usize = 8 << 10;
        let short = |value: &Value| value.as_str().is_some_and(|text| text.len() <= SHORT);
        let named = self.arguments.as_object().into_iter().flatten().filter(|(_, value)| short(value));
        Self { arguments: named.map(|(name, value)| (name.clone(), value.clone())).collect(), time_limit: self.time_limit }
    }
}

/// The arguments that came as JSON text; none when there is no text.
pub(crate) fn parse_object(name: &str, text: Option<&str>) -> Result<Map<String, Value>, Fault> {
    match text {
        None => Ok(Map::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| Fault::invalid(format!("{name} is not a JSON object: {error}"))),
    }
}

/// Brings the arguments of tool `name` to the protocol's spelling. What is wrong with a single one is the guest's to say.
pub(super) fn normalise(name: &str, mut args: Map<String, Value>) -> Normal {
    // SDKs write null for what their caller left out.
    args.retain(|_, value| !value.is_null());
    let mut time_limit = None;
    match name {
        SHELL => time_limit = shell_time_limit(&mut args),
        SEARCH_FILES => one_list_of_excludes(&mut args),
        _ => {}
    }
    Normal { arguments: Value::Object(args), time_limit }
}

fn shell_time_limit(args: &mut Map<String, Value>) -> Option<Duration> {
    if let Some(whole) = args.get("timeout_ms").and_then(whole_number) {
        args.insert("timeout_ms".into(), whole.into());
    }
    let limit = args.entry("timeout_ms").or_insert(DEFAULT_SHELL_TIMEOUT_MS.into());
    limit.as_u64().map(|limit| Duration::from_millis(limit.min(MAX_TIMEOUT_MS)))
}

/// A number that some client wrote as `1000.0` or `"1000"`.
fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        // The cast is exact: the value was just compared to its own rounding, and is within bounds.
        Value::Number(number) => number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..1e15).contains(n)).map(|n| n as u64),
        _ => None,
    }
}

/// Patterns to leave out come as `excludePatterns` or `exclude_patterns`, as an array or as one text with commas.
fn one_list_of_excludes(args: &mut Map<String, Value>) {
    let given = [args.remove("excludePatterns"), args.remove("exclude_patterns")].into_iter().flatten().next();
    let list = match given {
        None => return,
        Some(Value::String(text)) => text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect(),
        Some(other) => other,
    };
    args.insert("excludePatterns".into(), list);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::ErrorCode;

    fn normal(name: &str, args: &str) -> Normal {
        normalise(name, parse_object("Args", Some(args)).unwrap())
    }

    #[test]
    fn spellings_of_every_sdk_become_the_protocols() {
        let check = |name: &str, args: &str, wanted: Value| assert_eq!(normal(name, args).arguments, wanted, "{name} {args}");
        let excludes = json!({"path": "/p", "pattern": "*", "excludePatterns": ["a", "b*"]});
        check("search_files", r#"{"path":"/p","pattern":"*","excludePatterns":"a, b*,"}"#, excludes.clone());
        check("search_files", r#"{"path":"/p","pattern":"*","excludePatterns":["a","b*"]}"#, excludes.clone());
        check("search_files", r#"{"path":"/p","pattern":"*","exclude_patterns":["a","b*"]}"#, excludes);
        check("search_files", r#"{"path":"/p","pattern":"*","excludePatterns":null}"#, json!({"path": "/p", "pattern": "*"}));
        check("shell", r#"{"command":"c","timeout_ms":1000,"cwd":null}"#, json!({"command": "c", "timeout_ms": 1000}));
        check("shell", r#"{"command":"c","timeout_ms":1000.0}"#, json!({"command": "c", "timeout_ms": 1000}));
        check("shell", r#"{"command":"c","timeout_ms":"1000"}"#, json!({"command": "c", "timeout_ms": 1000}));
        check("shell", r#"{"command":"c"}"#, json!({"command": "c", "timeout_ms": 55000}));
        check(
            "write_file",
            r#"{"path":"/p","content":"x","create_parent_dir":true}"#,
            json!({"path": "/p", "content": "x", "create_parent_dir": true}),
        );
    }

    #[test]
    fn arguments_are_understood_by_the_protocol() {
        use protocol::tools::filesystem::{EditFileArgs, ReadFileArgs, SearchFilesArgs, WriteFileArgs};
        fn read<T: serde::de::DeserializeOwned>(name: &str, args: &str) -> T {
            serde_json::from_value(normal(name, args).arguments).unwrap()
        }
        for spelling in ["dryRun", "dry_run"] {
            let args = format!(r#"{{"path":"/p","edits":[{{"oldText":"a","newText":"b"}}],"{spelling}":true}}"#);
            assert!(read::<EditFileArgs>("edit_file", &args).dry_run, "{spelling}");
        }
        assert_eq!(read::<ReadFileArgs>("read_file", r#"{"path":"/p","offset":0,"length":0,"format":"binary"}"#).length, 0);
        assert_eq!(
            read::<SearchFilesArgs>("search_files", r#"{"path":"/p","pattern":"*","excludePatterns":""}"#).exclude_patterns.len(),
            0
        );
        read::<WriteFileArgs>("write_file", r#"{"path":"/p","content":"x","mode":"append","create_parent_dir":true}"#);
    }

    #[test]
    fn what_is_no_object_is_refused_by_name() {
        for bad in ["{", "[]", "1", "\"x\"", "null"] {
            let error = parse_object("Args", Some(bad)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{bad}");
            assert!(error.message().starts_with("Args "), "{}", error.message());
        }
        assert!(parse_object("Args", None).unwrap().is_empty());
    }

    #[test]
    fn what_is_kept_of_a_call_is_small() {
        let args = json!({"path": "/p", "content": "x".repeat(1 << 20), "edits": [{"oldText": "a"}]}).to_string();
        let kept = normal("write_file", &args).without_content();
        assert_eq!(kept.arguments, json!({"path": "/p"}));
    }

    #[test]
    fn a_wrong_time_limit_is_left_for_the_guest_to_refuse() {
        let normal = normal("shell", r#"{"command":"c","timeout_ms":-5}"#);
        assert_eq!((normal.time_limit, &normal.arguments["timeout_ms"]), (None, &json!(-5)));
    }
}
