use super::*;
use crate::tool::Patience;
use crate::tool::arguments::{normalise, parse_object};
use protocol::{ToolError, ToolErrorCode};

pub(super) fn text_of(name: &str, args: &str, form: Form, outcome: ToolOutcome) -> ToolText {
    let request = "req-7".parse().unwrap();
    let call = normalise(name, parse_object("Args", Some(args)).unwrap(), Patience::Minute);
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    render(name, outcome, Context { form, request: &request, call: &call, now }).unwrap()
}

fn check(name: &str, args: &str, result: Value, wanted: &str) {
    let got = text_of(name, args, Form::Wrapped, Ok(result));
    assert_eq!(got, ToolText { text: wanted.to_owned(), is_error: false }, "{name}");
}

#[test]
fn a_commands_result_is_wrapped_for_new_sdks() {
    let check = |result: Value, wanted: Value, is_error: bool| {
        let got = text_of("shell", r#"{"command":"c","timeout_ms":1500}"#, Form::Wrapped, Ok(result));
        assert_eq!((serde_json::from_str::<Value>(&got.text).unwrap(), got.is_error), (wanted, is_error));
    };
    check(
        json!({"stdout": "a\0\u{1}b", "stderr": "", "exit_code": 0}),
        json!({"stdout": "a\0\u{1}b", "stderr": "", "exit_code": 0, "traceId": "req-7", "timed_out": false}),
        false,
    );
    check(
        json!({"stdout": "", "stderr": "sh: 1: x: not found\n", "exit_code": 127}),
        json!({"stdout": "", "stderr": "sh: 1: x: not found\n", "exit_code": 127, "traceId": "req-7", "timed_out": false}),
        true,
    );
    let killed = "half\ntimed out after 1500 ms; everything the command started was killed\n";
    check(
        json!({"stdout": "", "stderr": "half", "exit_code": 124, "timed_out": true}),
        json!({"stdout": "", "stderr": killed, "exit_code": 124, "traceId": "req-7", "timed_out": true}),
        true,
    );
    check(
        json!({"stdout": "yyy", "stderr": "", "exit_code": 0, "stdout_cut": {"kept_bytes": 3, "total_bytes": 9}}),
        json!({
            "stdout": "yyy\n[roadstead: output cut after 3 of 9 bytes]\n",
            "stderr": "",
            "exit_code": 0,
            "traceId": "req-7",
            "timed_out": false,
            "stdout_cut": {"kept_bytes": 3, "total_bytes": 9},
        }),
        false,
    );
}

#[test]
fn a_commands_result_is_plain_for_old_sdks() {
    let check = |result: Value, wanted: &str, is_error: bool| {
        let got = text_of("shell", r#"{"command":"c","timeout_ms":1000}"#, Form::Plain, Ok(result));
        assert_eq!(got, ToolText { text: wanted.to_owned(), is_error });
    };
    check(json!({"stdout": "hi\n", "stderr": "note", "exit_code": 0}), "hi\n", false);
    check(json!({"stdout": "", "stderr": "no\n", "exit_code": 2}), "Execution failed. Error code:2 Error message: [no]", true);
    check(json!({"stdout": "only out\n", "stderr": "", "exit_code": 1}), "Execution failed. Error code:1 Error message: [only out]", true);
    check(
        json!({"stdout": "", "stderr": "", "exit_code": 124, "timed_out": true}),
        "Execution failed. Error code:-1 Error message: [timeout] after 1000 ms; everything the command started was killed",
        true,
    );
}

#[test]
fn file_tools_speak_in_the_lines_that_sdks_parse() {
    let path = r#"{"path":"/p"}"#;
    check("read_file", path, json!({"content": "text\n", "size": 5}), "text\n");
    check("write_file", path, json!({"bytes_written": 5}), "Wrote 5 bytes to /p");
    check("create_directory", path, json!({}), "Created directory /p");
    check("delete_file", path, json!({}), "Deleted /p");
    check("move_file", r#"{"source":"/a","destination":"/b"}"#, json!({}), "Moved /a to /b");
    check("edit_file", r#"{"path":"/p","edits":[]}"#, json!({"diff": "", "applied": true}), "No changes");
    check("edit_file", r#"{"path":"/p","edits":[]}"#, json!({"diff": "--- a\n", "applied": true}), "--- a\n");
    check("search_files", path, json!({"paths": ["/p/a", "/p/b\nc"]}), "/p/a\n/p/b\u{fffd}c");
    check("search_files", path, json!({"paths": []}), "No matches found");
    check("get_file_change", path, json!({"changes": []}), "[]");
    check(
        "get_file_change",
        path,
        json!({"changes": [{"eventType": "create", "path": "/p/a", "pathType": "file"}]}),
        r#"[{"eventType":"create","path":"/p/a","pathType":"file"}]"#,
    );
    check(
        "list_directory",
        path,
        json!({"entries": [{"name": "d", "kind": "directory", "size": 0}, {"name": "f\n[DIR] x", "kind": "file", "size": 1}, {"name": "s", "kind": "symlink", "size": 1}]}),
        "[DIR] d\n[FILE] f\u{fffd}[DIR] x\n[FILE] s",
    );
    check("list_directory", path, json!({"entries": []}), "The directory is empty");
    check(
        "list_directory",
        path,
        json!({"entries": [{"name": "f", "kind": "file", "size": 1}], "truncated": true}),
        "[FILE] f\n[roadstead: cut after 100000 entries]",
    );
    check(
        "read_multiple_files",
        r#"{"paths":["/a","/b"]}"#,
        json!({"files": [{"path": "/a", "content": "  one\ntwo"}, {"path": "/b", "error": {"code": "not_found", "message": "no such file"}}]}),
        "/a:\n  one\ntwo\n---\n/b: Error: no such file\n---\n",
    );
    let info = json!({"name": "f", "path": "/p/f", "size": 3, "kind": "file", "mode": 0o100644, "owner": "wuying", "group": "wuying",
        "created": "2026-01-01T00:00:00Z", "modified": "2026-01-02T00:00:00Z", "accessed": "2026-01-03T00:00:00Z"});
    let wanted = "name: f\npath: /p/f\nsize: 3\nisDirectory: false\nisFile: true\npermissions: 644\nmode: 0644\n\
        created: 2026-01-01T00:00:00Z\nmodified: 2026-01-02T00:00:00Z\nmodTime: 2026-01-02T00:00:00Z\n\
        accessed: 2026-01-03T00:00:00Z\nowner: wuying\ngroup: wuying";
    check("get_file_info", path, info, wanted);
}

#[test]
fn failures_are_their_message_and_nothing_unexpected_passes_for_a_result() {
    let error = ToolError::new(ToolErrorCode::NotFound, "/p does not exist");
    let got = text_of("read_file", r#"{"path":"/p"}"#, Form::Wrapped, Err(error));
    assert_eq!(got, ToolText { text: "/p does not exist".into(), is_error: true });

    let (request, call) = ("req-7".parse().unwrap(), normalise("shell", serde_json::Map::new(), Patience::Minute));
    let context = Context { form: Form::Wrapped, request: &request, call: &call, now: "2026-06-01T12:00:00Z".parse().unwrap() };
    assert!(render("shell", Ok(json!({"unexpected": 1})), context).is_err());
}

#[test]
fn variables_and_metrics_have_the_names_that_sdks_read() {
    check("get_env", "{}", json!({"envs": {"B": "2", "A": ""}}), r#"{"A":"","B":"2"}"#);
    check("set_env", r#"{"envs":[]}"#, json!({"count": 2}), "The session has 2 variables of its own");
    let measured = json!({
        "cpu_count": 1.5, "cpu_used_pct": 33.333, "mem_total": 100, "mem_used": 50, "disk_total": 10, "disk_used": 5,
        "rx_bytes": 2048, "tx_bytes": 512, "rx_bytes_per_s": 1024.0, "tx_bytes_per_s": 0.0,
    });
    let wanted = json!({
        "cpu_count": 2, "cpu_used_pct": 33.33, "mem_total": 100, "mem_used": 50, "disk_total": 10, "disk_used": 5,
        "rx_used_kbyte": 2.0, "tx_used_kbyte": 0.5, "rx_rate_kbyte_per_s": 1.0, "tx_rate_kbyte_per_s": 0.0,
        "timestamp": "2026-06-01T12:00:00Z",
    });
    check("get_metrics", "{}", measured, &wanted.to_string());
}
