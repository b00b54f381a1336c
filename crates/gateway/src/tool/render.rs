//! Structured results as the texts that SDKs parse or show.
//!
//! Some SDKs replace an empty text by the JSON around it, so every text that is not file content says something.

mod code;
mod system;

use super::Form;
use super::arguments::Normal;
use protocol::ToolOutcome;
use protocol::tools::code::RUN_CODE;
use protocol::tools::environment::{GET_ENV, GetEnvResult, SET_ENV, SetEnvResult};
use protocol::tools::filesystem::{
    CREATE_DIRECTORY, DELETE_FILE, EDIT_FILE, EditFileResult, FileChangeResult, FileInfo, FileKind, GET_FILE_CHANGE, GET_FILE_INFO,
    LIST_DIRECTORY, ListDirectoryResult, MAX_ENTRIES, MOVE_FILE, READ_FILE, READ_MULTIPLE_FILES, ReadFileResult, ReadMultipleFilesResult,
    SEARCH_FILES, SearchFilesResult, WRITE_FILE, WriteFileResult,
};
use protocol::tools::metrics::GET_METRICS;
use protocol::tools::shell::{Cut, SHELL, ShellResult};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write;
use types::{RequestId, Timestamp};

/// A tool's answer as it goes to an SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolText {
    pub(crate) text: String,
    pub(crate) is_error: bool,
}

impl ToolText {
    /// The result of a call as every route has it in its answer: SDKs read exactly one item of content.
    pub(crate) fn result(&self) -> Value {
        json!({ "content": self.content(), "isError": self.is_error })
    }

    /// The text as content of a result.
    pub(crate) fn content(&self) -> Value {
        json!([{ "type": "text", "text": self.text }])
    }
}

/// What a text depends on besides the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) form: Form,
    pub(crate) request: &'a RequestId,
    pub(crate) call: &'a Normal,
    pub(crate) now: Timestamp,
}

/// The text for what tool `name` came to. An error means that the guest answered something the protocol does not have.
pub(crate) fn render(name: &str, outcome: ToolOutcome, context: Context<'_>) -> Result<ToolText, serde_json::Error> {
    let result = match outcome {
        Ok(result) => result,
        Err(error) => return Ok(ToolText { text: error.message, is_error: true }),
    };
    let text = match name {
        SHELL => return Ok(shell(read(result)?, context)),
        RUN_CODE => return Ok(code::text(read(result)?, context)),
        SET_ENV => format!("The session has {} variables of its own", read::<SetEnvResult>(result)?.count),
        GET_ENV => serde_json::to_string(&read::<GetEnvResult>(result)?.envs)?,
        GET_METRICS => system::metrics(&read(result)?, context.now),
        READ_FILE => read::<ReadFileResult>(result)?.content,
        WRITE_FILE => format!("Wrote {} bytes to {}", read::<WriteFileResult>(result)?.bytes_written, argument(context, "path")),
        EDIT_FILE => edit(read(result)?),
        CREATE_DIRECTORY => format!("Created directory {}", argument(context, "path")),
        DELETE_FILE => format!("Deleted {}", argument(context, "path")),
        MOVE_FILE => format!("Moved {} to {}", argument(context, "source"), argument(context, "destination")),
        GET_FILE_INFO => file_info(&read(result)?),
        LIST_DIRECTORY => listing(&read(result)?),
        READ_MULTIPLE_FILES => several_files(&read(result)?),
        SEARCH_FILES => search(&read(result)?),
        GET_FILE_CHANGE => serde_json::to_string(&read::<FileChangeResult>(result)?.changes)?,
        _ => result.to_string(),
    };
    Ok(ToolText { text, is_error: false })
}

fn read<T: DeserializeOwned>(result: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(result)
}

fn argument<'a>(context: Context<'a>, name: &str) -> &'a str {
    context.call.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn shell(mut result: ShellResult, context: Context<'_>) -> ToolText {
    mark_cut(&mut result.stdout, result.stdout_cut);
    mark_cut(&mut result.stderr, result.stderr_cut);
    let limit = context.call.time_limit.unwrap_or_default().as_millis();
    let is_error = result.exit_code != 0 || result.timed_out;
    let text = match context.form {
        Form::Wrapped => {
            if result.timed_out {
                let said = format!("timed out after {limit} ms; everything the command started was killed\n");
                push_line(&mut result.stderr, &said);
            }
            wrapped(&result, context.request).to_string()
        }
        Form::Plain if result.timed_out => {
            format!("Execution failed. Error code:-1 Error message: [timeout] after {limit} ms; everything the command started was killed")
        }
        Form::Plain if is_error => {
            let said = if result.stderr.is_empty() { &result.stdout } else { &result.stderr };
            format!("Execution failed. Error code:{} Error message: [{}]", result.exit_code, said.trim_end())
        }
        Form::Plain => result.stdout,
    };
    ToolText { text, is_error }
}

/// The JSON form. The vendor's SDKs read the first four keys and pass over the others.
fn wrapped(result: &ShellResult, request: &RequestId) -> Value {
    let ShellResult { stdout, stderr, exit_code, timed_out, .. } = result;
    let mut text = json!({"stdout": stdout, "stderr": stderr, "exit_code": exit_code, "traceId": request.as_str(), "timed_out": timed_out});
    for (name, cut) in [("stdout_cut", result.stdout_cut), ("stderr_cut", result.stderr_cut)] {
        if let Some(Cut { kept_bytes, total_bytes }) = cut {
            text[name] = json!({"kept_bytes": kept_bytes, "total_bytes": total_bytes});
        }
    }
    text
}

fn mark_cut(stream: &mut String, cut: Option<Cut>) {
    if let Some(Cut { kept_bytes, total_bytes }) = cut {
        push_line(stream, &format!("[roadstead: output cut after {kept_bytes} of {total_bytes} bytes]\n"));
    }
}

/// Appends a line of ours on a line of its own.
fn push_line(stream: &mut String, line: &str) {
    if !stream.is_empty() && !stream.ends_with('\n') {
        stream.push('\n');
    }
    stream.push_str(line);
}

fn edit(result: EditFileResult) -> String {
    if result.diff.is_empty() { "No changes".to_owned() } else { result.diff }
}

/// The union of the keys that SDKs look for.
fn file_info(info: &FileInfo) -> String {
    let is_directory = info.kind == FileKind::Directory;
    let is_file = info.kind == FileKind::File;
    let FileInfo { size, mode, created, modified, accessed, .. } = info;
    let (name, path) = (one_line(&info.name), one_line(&info.path));
    let (owner, group) = (one_line(&info.owner), one_line(&info.group));
    let permissions = mode & 0o7777;
    format!(
        "name: {name}\npath: {path}\nsize: {size}\nisDirectory: {is_directory}\nisFile: {is_file}\n\
         permissions: {permissions:o}\nmode: {permissions:04o}\ncreated: {created}\nmodified: {modified}\nmodTime: {modified}\n\
         accessed: {accessed}\nowner: {owner}\ngroup: {group}"
    )
}

fn listing(result: &ListDirectoryResult) -> String {
    let mut text = String::new();
    for entry in &result.entries {
        let kind = if entry.kind == FileKind::Directory { "[DIR]" } else { "[FILE]" };
        let _ = writeln!(text, "{kind} {}", one_line(&entry.name));
    }
    if result.truncated {
        text.push_str(&too_many());
    }
    if text.is_empty() {
        text.push_str("The directory is empty");
    }
    text.trim_end_matches('\n').to_owned()
}

fn search(result: &SearchFilesResult) -> String {
    if result.paths.is_empty() {
        return "No matches found".to_owned();
    }
    let mut lines: Vec<String> = result.paths.iter().map(|path| one_line(path)).collect();
    if result.truncated {
        lines.push(too_many());
    }
    lines.join("\n")
}

fn too_many() -> String {
    format!("[roadstead: cut after {MAX_ENTRIES} entries]")
}

/// Per file its path and a colon, its content, and a line of three dashes. Content starts on its own line, because
/// SDKs strip blanks of what stands beside the path.
fn several_files(result: &ReadMultipleFilesResult) -> String {
    let mut text = String::new();
    for file in &result.files {
        let path = one_line(&file.path);
        let _ = match (&file.content, &file.error) {
            (Some(content), _) => writeln!(text, "{path}:\n{content}\n---"),
            (None, Some(error)) => writeln!(text, "{path}: Error: {}\n---", one_line(&error.message)),
            (None, None) => writeln!(text, "{path}:\n\n---"),
        };
    }
    if text.is_empty() { "No files were asked for".to_owned() } else { text }
}

/// A name that would otherwise be taken for several lines.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], "\u{fffd}")
}

#[cfg(test)]
mod tests;
