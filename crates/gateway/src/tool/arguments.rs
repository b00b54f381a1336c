//! Arguments of tools, from the spellings of every SDK to the protocol's.

use super::Patience;
use protocol::tools::code::{self, RUN_CODE};
use protocol::tools::environment::SET_ENV;
use protocol::tools::filesystem::SEARCH_FILES;
use protocol::tools::shell::{self, SHELL};
use serde_json::{Map, Value};
use std::time::Duration;
use types::Fault;

/// Time limit of a command or of code for which a client that waits a minute names none. The result of what lasts longer
/// would be lost to it; this way it hears of the time-out.
const DEFAULT_MINUTE_TIMEOUT: Duration = Duration::from_secs(55);
/// When such a client gives up, and what SDKs name as the time limit of code: then the limit comes too late.
const MINUTE_S: f64 = 60.0;

/// A call in the protocol's spelling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Normal {
    /// The arguments.
    pub(super) arguments: Value,
    /// The time limit of a command or of code; none for other tools.
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
pub(super) fn normalise(name: &str, mut args: Map<String, Value>, patience: Patience) -> Normal {
    // SDKs write null for what their caller left out.
    args.retain(|_, value| !value.is_null());
    let mut time_limit = None;
    match name {
        SHELL => time_limit = shell_time_limit(&mut args, patience),
        RUN_CODE => {
            one_spelling_of_languages(&mut args);
            time_limit = code_time_limit(&mut args, patience);
        }
        SET_ENV => one_map_of_variables(&mut args),
        SEARCH_FILES => one_list_of_excludes(&mut args),
        _ => {}
    }
    Normal { arguments: Value::Object(args), time_limit }
}

fn shell_time_limit(args: &mut Map<String, Value>, patience: Patience) -> Option<Duration> {
    if let Some(whole) = args.get("timeout_ms").and_then(whole_number) {
        args.insert("timeout_ms".into(), whole.into());
    }
    let default = match patience {
        Patience::Minute => DEFAULT_MINUTE_TIMEOUT.as_millis() as u64,
        Patience::Long => shell::DEFAULT_TIMEOUT_MS,
    };
    let limit = args.entry("timeout_ms").or_insert(default.into());
    limit.as_u64().map(|limit| Duration::from_millis(limit.min(shell::MAX_TIMEOUT_MS)))
}

/// A limit that the client would not wait for is shortened; one beyond its usual patience is meant as it is.
fn code_time_limit(args: &mut Map<String, Value>, patience: Patience) -> Option<Duration> {
    let given = match args.get("timeout_s") {
        None => code::DEFAULT_TIMEOUT_S,
        Some(Value::String(text)) => text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite())?,
        Some(value) => value.as_f64()?,
    };
    let most = DEFAULT_MINUTE_TIMEOUT.as_secs_f64();
    let limit = if patience == Patience::Minute && (most..=MINUTE_S).contains(&given) { most } else { given };
    args.insert("timeout_s".into(), limit.into());
    Duration::try_from_secs_f64(limit.min(code::MAX_TIMEOUT_S)).ok()
}

/// `Python` and ` JS ` are languages as well.
fn one_spelling_of_languages(args: &mut Map<String, Value>) {
    if let Some(Value::String(language)) = args.get_mut("language") {
        *language = language.trim().to_lowercase();
    }
}

/// Variables come as a list of `{"key", "value"}` or as an object.
fn one_map_of_variables(args: &mut Map<String, Value>) {
    let Some(Value::Array(list)) = args.get("envs") else { return };
    let pair = |item: &Value| Some((item.get("key")?.as_str()?.to_owned(), item.get("value")?.clone()));
    // One that is no such pair leaves the list as it is, for the guest to refuse.
    if let Some(map) = list.iter().map(pair).collect::<Option<Map<_, _>>>() {
        args.insert("envs".into(), Value::Object(map));
    }
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
        normalise(name, parse_object("Args", Some(args)).unwrap(), Patience::Minute)
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
    fn a_clients_patience_bounds_the_limits_that_it_does_not_mean() {
        let check = |name: &str, args: &str, patience, key: &str, wanted: Value, seconds: f64| {
            let normal = normalise(name, parse_object("Args", Some(args)).unwrap(), patience);
            assert_eq!((&normal.arguments[key], normal.time_limit), (&wanted, Some(Duration::from_secs_f64(seconds))), "{name} {args}");
        };
        let code = |args, patience, seconds: f64| check("run_code", args, patience, "timeout_s", seconds.into(), seconds);
        code("{}", Patience::Minute, 55.0);
        code(r#"{"timeout_s":60}"#, Patience::Minute, 55.0);
        code(r#"{"timeout_s":"60"}"#, Patience::Minute, 55.0);
        code(r#"{"timeout_s":1.5}"#, Patience::Minute, 1.5);
        code(r#"{"timeout_s":300}"#, Patience::Minute, 300.0);
        code("{}", Patience::Long, 60.0);
        code(r#"{"timeout_s":60}"#, Patience::Long, 60.0);
        check("shell", "{}", Patience::Minute, "timeout_ms", 55_000.into(), 55.0);
        check("shell", "{}", Patience::Long, "timeout_ms", 60_000.into(), 60.0);
        for bad in [r#"{"timeout_s":"soon"}"#, r#"{"timeout_s":[]}"#, r#"{"timeout_s":-1}"#] {
            assert_eq!(normal("run_code", bad).time_limit, None, "{bad}");
        }
    }

    #[test]
    fn code_and_variables_are_understood_by_the_protocol() {
        use protocol::tools::code::{Language, RunCodeArgs};
        use protocol::tools::environment::SetEnvArgs;
        for (spelling, language) in [
            ("Python", Language::Python),
            (" JS ", Language::Javascript),
            ("NodeJS", Language::Javascript),
            ("R", Language::R),
            ("JAVA", Language::Java),
        ] {
            let args = json!({ "code": "1", "language": spelling, "timeout_s": 60 }).to_string();
            let args: RunCodeArgs = serde_json::from_value(normal("run_code", &args).arguments).unwrap();
            assert_eq!(args.language, language, "{spelling}");
        }
        for spelling in [r#"{"envs":[{"key":"A","value":"1"},{"key":"B","value":""}]}"#, r#"{"envs":{"A":"1","B":""}}"#] {
            let args: SetEnvArgs = serde_json::from_value(normal("set_env", spelling).arguments).unwrap();
            assert_eq!(args.envs.into_iter().collect::<Vec<_>>(), [("A".into(), "1".into()), ("B".into(), String::new())]);
        }
        let bad = r#"{"envs":[{"name":"A"}]}"#;
        assert!(normal("set_env", bad).arguments["envs"].is_array(), "left for the guest to refuse");
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
