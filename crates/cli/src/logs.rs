//! `roadstead logs`: what the server did, and what it did for one request.

use crate::failure::Failure;
use crate::output;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Lines shown when no number is given and no request is asked for.
const DEFAULT_LINES: usize = 100;

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// Show the server's log.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Only what was done for this request, as SDKs and error messages show its id.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// The last N lines [default: 100, or all of the request's].
    #[arg(short = 'n', long = "lines", value_name = "N")]
    lines: Option<usize>,
    /// Then show what is added, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(args: LogsArgs, data_dir: &Path, json: bool) -> Result<(), Failure> {
    let directory = data_dir.join("logs");
    let wanted = |line: &str| args.request.as_deref().is_none_or(|id| names(line, id));
    let keep = args.lines.or(args.request.is_none().then_some(DEFAULT_LINES));
    let mut last = VecDeque::new();
    let mut found = false;
    let mut reader = Reader::default();
    let files = files(&directory)?;
    for path in &files {
        reader.read(path, !args.follow, |line| {
            if !wanted(&line) {
                return;
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
        })?;
    }
    last.iter().for_each(|line| show(line, json));
    if args.follow {
        loop {
            std::thread::sleep(LOOK);
            reader.added(&directory, |line| {
                if wanted(&line) {
                    show(&line, json);
                }
            })?;
        }
    }
    match args.request {
        Some(id) if !found => Err(Failure::new(format!(
            "no line names request {id} in the {} files of {} — was it another server's, or is its log gone by now?",
            files.len(),
            directory.display()
        ))),
        _ => Ok(()),
    }
}

/// Reads files line by line, and later what was added to them.
#[derive(Debug, Default)]
struct Reader {
    read: HashMap<PathBuf, u64>,
}

impl Reader {
    /// What was added since to any file, and to files that are new.
    fn added(&mut self, directory: &Path, mut each: impl FnMut(String)) -> Result<(), Failure> {
        files(directory)?.iter().try_for_each(|path| self.read(path, false, &mut each))
    }

    /// What has not been read of a file. A line without an end is left for later unless it is the file's last word: the
    /// server may be killed in the middle of one.
    fn read(&mut self, path: &Path, to_the_end: bool, mut each: impl FnMut(String)) -> Result<(), Failure> {
        let failed = |error| Failure::io("reading", path, &error);
        let mut file = match File::open(path) {
            // An old one is removed when there are enough.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        let read = self.read.entry(path.to_owned()).or_default();
        file.seek(SeekFrom::Start(*read)).map_err(failed)?;
        let (mut lines, mut line) = (BufReader::new(file), Vec::new());
        loop {
            line.clear();
            let length = lines.read_until(b'\n', &mut line).map_err(failed)?;
            let ended = line.pop_if(|byte| *byte == b'\n').is_some();
            if length == 0 || !(ended || to_the_end) {
                return Ok(());
            }
            *read += length as u64;
            // Bytes that are no text must not end the reading.
            each(String::from_utf8_lossy(&line).into_owned());
        }
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
        let args = |request: &str| LogsArgs { request: Some(request.into()), lines: None, follow: false };
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

    #[test]
    fn what_is_added_is_told_once_and_whole_also_in_a_new_file() {
        use std::io::Write;
        let dir = TempDir::new();
        let write = |name: &str, text: &str| {
            File::options().append(true).create(true).open(dir.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
        };
        let mut reader = Reader::default();
        let mut added = || {
            let mut lines = Vec::new();
            reader.added(dir.path(), |line| lines.push(line)).unwrap();
            lines
        };
        write("server.log.1", "one\ntw");
        assert_eq!(added(), ["one"]);
        assert_eq!(added(), [""; 0]);
        write("server.log.1", "o\n");
        write("server.log.2", "three\n\nfour");
        let mut lines = added();
        lines.sort();
        assert_eq!(lines, ["", "three", "two"]);
        let mut rest = Vec::new();
        reader.read(&dir.path().join("server.log.2"), true, |line| rest.push(line)).unwrap();
        assert_eq!(rest, ["four"]);
        reader.read(&dir.path().join("gone"), true, |line| panic!("{line}")).unwrap();
    }
}
