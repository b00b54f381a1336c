//! `roadstead logs`: what the server did, and what it did for one request.

use crate::failure::Failure;
use crate::output;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Lines shown when no number is given and no request is asked for.
const DEFAULT_LINES: usize = 100;

/// Show the server's log.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Only what was done for this request, as SDKs and error messages show its id.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// The last N lines [default: 100, or all of the request's].
    #[arg(short = 'n', long = "lines", value_name = "N")]
    lines: Option<usize>,
}

pub(crate) fn run(args: LogsArgs, data_dir: &Path, json: bool) -> Result<(), Failure> {
    let directory = data_dir.join("logs");
    let files = files(&directory)?;
    let keep = args.lines.or(args.request.is_none().then_some(DEFAULT_LINES));
    let mut last = VecDeque::new();
    let mut found = false;
    for path in &files {
        for line in lines(path)? {
            let line = line.map_err(|error| Failure::io("reading", path, &error))?;
            if args.request.as_deref().is_some_and(|id| !names(&line, id)) {
                continue;
            }
            found = true;
            match keep {
                None => show(&line, json),
                Some(limit) => {
                    last.push_back(line);
                    if last.len() > limit {
                        last.pop_front();
                    }
                }
            }
        }
    }
    last.iter().for_each(|line| show(line, json));
    match args.request {
        Some(id) if !found => Err(Failure::new(format!(
            "no line names request {id} in the {} files of {} — was it another server's, or is its log gone by now?",
            files.len(),
            directory.display()
        ))),
        _ => Ok(()),
    }
}

/// The log files, oldest first.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let none = || Failure::new(format!("there is no log in {} — no server has run with this data directory", directory.display()));
    let entries = std::fs::read_dir(directory).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => none(),
        _ => Failure::io("reading", directory, &error),
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Failure::io("reading", directory, &error))?;
        if entry.file_name().to_string_lossy().contains(".log") {
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let changed = changed.map_err(|error| Failure::io("reading", &entry.path(), &error))?;
            files.push((changed, entry.path()));
        }
    }
    files.sort();
    if files.is_empty() { Err(none()) } else { Ok(files.into_iter().map(|(_, path)| path).collect()) }
}

fn lines(path: &Path) -> Result<impl Iterator<Item = std::io::Result<String>> + use<>, Failure> {
    let file = File::open(path).map_err(|error| Failure::io("reading", path, &error))?;
    // The server may be killed in the middle of a line, so bytes that are no text must not end the reading.
    Ok(BufReader::new(file).split(b'\n').map(|line| line.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())))
}

fn show(line: &str, json: bool) {
    output::line(if json { line.to_owned() } else { human(line) });
}

/// Whether an event, or a span around it, names this request.
fn names(line: &str, id: &str) -> bool {
    // Most lines are another request's: look before parsing.
    if !line.contains(id) {
        return false;
    }
    match serde_json::from_str::<Value>(line) {
        Ok(event) => ["fields", "span", "spans"].iter().any(|part| event.get(part).is_some_and(|value| holds(value, id))),
        Err(_) => has_word(line, id),
    }
}

fn holds(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => has_word(text, id),
        Value::Array(items) => items.iter().any(|item| holds(item, id)),
        Value::Object(fields) => fields.values().any(|field| holds(field, id)),
        _ => false,
    }
}

/// Whether `id` stands in `text` as a word of its own, not as the start of a longer id.
fn has_word(text: &str, id: &str) -> bool {
    let part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !id.is_empty()
        && text
            .match_indices(id)
            .any(|(start, _)| !text[..start].ends_with(part_of_id) && !text[start + id.len()..].starts_with(part_of_id))
}

/// One event as a person reads it: time, level, words, fields, and the fields of the spans around it.
fn human(line: &str) -> String {
    let Ok(Value::Object(mut event)) = serde_json::from_str(line) else {
        return output::harmless(line);
    };
    let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let object = |value: Option<Value>| value.and_then(|value| value.as_object().cloned()).unwrap_or_default();
    let mut fields = object(event.remove("fields"));
    let message = text(fields.remove("message"));
    let mut context = Map::new();
    if let Some(Value::Array(spans)) = event.remove("spans") {
        spans.into_iter().for_each(|span| context.extend(object(Some(span))));
    }
    context.extend(object(event.remove("span")));
    context.remove("name");
    context.retain(|name, _| !fields.contains_key(name));

    let mut words = vec![text(event.remove("timestamp")), format!("{:<5}", text(event.remove("level"))), output::harmless(&message)];
    words.extend(fields.iter().chain(&context).map(|(name, value)| format!("{name}={}", plain(value))));
    words.join(" ")
}

fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.contains(' ') => format!("{text:?}"),
        Some(text) => output::harmless(text),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const IN_SPAN: &str = r#"{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","fields":{"message":"session made","session":"session-1","took_ms":4},"target":"control","span":{"name":"request","request":"req-7"},"spans":[{"name":"request","request":"req-7","action":"CreateMcpSession"}]}"#;
    const IN_FIELD: &str = r#"{"timestamp":"t","level":"WARN","fields":{"message":"retried for req-7, at last"}}"#;
    const OTHER: &str = r#"{"timestamp":"t","level":"INFO","target":"req-7","fields":{"message":"x","request":"req-77"}}"#;

    #[test]
    fn a_request_is_found_in_fields_and_spans_and_nowhere_else() {
        let check = |line: &str, found| assert_eq!(names(line, "req-7"), found, "{line}");
        check(IN_SPAN, true);
        check(IN_FIELD, true);
        check(OTHER, false);
        check("panicked while serving req-7", true);
        check("panicked while serving req-70", false);
        assert!(!names(IN_SPAN, ""));
    }

    #[test]
    fn an_event_is_one_line_for_people() {
        assert_eq!(
            human(IN_SPAN),
            "2026-01-02T03:04:05Z INFO  session made session=session-1 took_ms=4 action=CreateMcpSession request=req-7"
        );
        assert_eq!(human("no json \u{1b}[31m"), "no json \\u{1b}[31m");
    }

    #[test]
    fn files_are_read_oldest_first_and_a_miss_says_where_it_looked() {
        let dir = TempDir::new();
        let args = |request: &str| LogsArgs { request: Some(request.into()), lines: None };
        let empty = run(args("req-7"), dir.path(), false).unwrap_err().to_string();
        assert!(empty.contains("there is no log"), "{empty}");

        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let at = |name: &str, seconds| {
            std::fs::write(logs.join(name), format!("{OTHER}\n")).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options().write(true).open(logs.join(name)).unwrap().set_modified(time).unwrap();
        };
        at("server.log.2026-01-02", 2);
        at("server.log.2026-01-01", 1);
        at("starter.log", 3);
        std::fs::write(logs.join("unrelated.txt"), "x").unwrap();
        let names: Vec<_> = files(&logs).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["server.log.2026-01-01", "server.log.2026-01-02", "starter.log"]);
        let missed = run(args("req-7"), dir.path(), false).unwrap_err().to_string();
        assert!(missed.contains("req-7") && missed.contains("3 files") && missed.contains("/logs"), "{missed}");
    }
}
