//! What came of code, as each generation of SDKs reads it.

use super::{Context, ToolText, push_line};
use crate::tool::Form;
use protocol::tools::code::{CodeResult, RunCodeResult};
use serde_json::{Value, json};

/// The text for a run of code.
pub(super) fn text(result: RunCodeResult, context: Context<'_>) -> ToolText {
    let error = error(&result, context);
    match context.form {
        // An error of the code is a result: SDKs read it in the JSON and keep the output beside it.
        Form::Wrapped => ToolText { text: wrapped(result, &error), is_error: false },
        Form::Plain => plain(result, error),
    }
}

/// The JSON form. Each item is JSON in a string, because one of the SDKs reads a list of strings.
fn wrapped(mut result: RunCodeResult, error: &str) -> String {
    if result.cut_bytes > 0 {
        result.stderr.push(notice(result.cut_bytes));
    }
    let items: Vec<_> = result.results.into_iter().map(item).collect();
    json!({
        "result": items,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "executionError": error,
        "execution_count": result.execution_count,
        "execution_time": result.execution_time_s,
    })
    .to_string()
}

fn item(result: CodeResult) -> String {
    let mut item: serde_json::Map<_, _> = result.data.into_iter().collect();
    item.insert("isMainResult".into(), result.is_main.into());
    Value::Object(item).to_string()
}

/// What a person at a prompt would see: the output, then what was shown, the value of the last expression among it.
fn plain(result: RunCodeResult, error: String) -> ToolText {
    let mut text = result.stdout.concat();
    for shown in &result.results {
        if let Some(value) = shown.data.get("text/plain").and_then(Value::as_str) {
            push_line(&mut text, value);
        }
    }
    if result.cut_bytes > 0 {
        push_line(&mut text, &notice(result.cut_bytes));
    }
    if error.is_empty() {
        return ToolText { text, is_error: false };
    }
    push_line(&mut text, &error);
    ToolText { text, is_error: true }
}

/// Why the code did not come to its end; empty when it did.
fn error(result: &RunCodeResult, context: Context<'_>) -> String {
    let mut text = match &result.error {
        Some(error) if !error.traceback.is_empty() => error.traceback.clone(),
        Some(error) => format!("{}: {}", error.name, error.value),
        None => String::new(),
    };
    if result.timed_out {
        let limit = context.call.time_limit.unwrap_or_default().as_secs_f64();
        push_line(&mut text, &format!("timed out after {limit} s and was interrupted"));
    }
    if result.state_lost {
        push_line(&mut text, "the kernel has ended and its state is lost; the next code starts with a new one");
    }
    text
}

fn notice(bytes: u64) -> String {
    format!("[roadstead: {bytes} bytes of output beyond the limit were left out]\n")
}

#[cfg(test)]
mod tests {
    use crate::tool::Form;
    use crate::tool::render::ToolText;
    use crate::tool::render::tests::text_of;
    use serde_json::{Value, json};

    const ARGS: &str = r#"{"code":"c","language":"python","timeout_s":2}"#;

    fn text(form: Form, result: Value) -> ToolText {
        text_of("run_code", ARGS, form, Ok(result))
    }

    fn rich() -> Value {
        json!({
            "results": [
                {"is_main": false, "data": {"image/png": "aGk=", "text/plain": "<Figure>"}},
                {"is_main": true, "data": {"text/plain": "42", "text/html": "<b>42</b>", "application/json": {"a": [1]}}},
            ],
            "stdout": ["one\n", "two"],
            "stderr": ["careful\n"],
            "execution_count": 3,
            "execution_time_s": 0.25,
        })
    }

    #[test]
    fn new_sdks_get_items_as_json_in_strings() {
        let got = text(Form::Wrapped, rich());
        let body: Value = serde_json::from_str(&got.text).unwrap();
        let item = |n: usize| serde_json::from_str::<Value>(body["result"][n].as_str().unwrap()).unwrap();
        assert_eq!(item(0), json!({"isMainResult": false, "image/png": "aGk=", "text/plain": "<Figure>"}));
        assert_eq!(item(1), json!({"isMainResult": true, "text/plain": "42", "text/html": "<b>42</b>", "application/json": {"a": [1]}}));
        assert_eq!((&body["stdout"], &body["stderr"]), (&json!(["one\n", "two"]), &json!(["careful\n"])));
        assert_eq!((&body["executionError"], &body["execution_count"], &body["execution_time"]), (&json!(""), &json!(3), &json!(0.25)));
        assert!(!got.is_error);
    }

    #[test]
    fn old_sdks_get_what_a_prompt_would_show() {
        assert_eq!(text(Form::Plain, rich()), ToolText { text: "one\ntwo\n<Figure>\n42".into(), is_error: false });
    }

    #[test]
    fn errors_time_outs_and_lost_states_are_told() {
        let check = |more: Value, wanted: &str| {
            let mut result = json!({"results": [], "stdout": ["out\n"], "stderr": [], "execution_count": 1, "execution_time_s": 1.0});
            result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let new = text(Form::Wrapped, result.clone());
            let body: Value = serde_json::from_str(&new.text).unwrap();
            assert_eq!((body["executionError"].as_str().unwrap(), new.is_error), (wanted, false));
            let old = text(Form::Plain, result);
            assert_eq!(old, ToolText { text: format!("out\n{wanted}"), is_error: true });
        };
        check(json!({"error": {"name": "ValueError", "value": "no", "traceback": ""}}), "ValueError: no");
        check(
            json!({"error": {"name": "ValueError", "value": "no", "traceback": "Traceback\nValueError: no"}}),
            "Traceback\nValueError: no",
        );
        let interrupted = "KeyboardInterrupt: \ntimed out after 2 s and was interrupted";
        check(json!({"error": {"name": "KeyboardInterrupt", "value": ""}, "timed_out": true}), interrupted);
        check(json!({"state_lost": true}), "the kernel has ended and its state is lost; the next code starts with a new one");
    }

    #[test]
    fn what_was_left_out_is_told() {
        let result = json!({"results": [], "stdout": ["x"], "stderr": [], "execution_count": 1, "execution_time_s": 1.0, "cut_bytes": 7});
        let body: Value = serde_json::from_str(&text(Form::Wrapped, result.clone()).text).unwrap();
        assert!(body["stderr"][0].as_str().unwrap().contains("7 bytes"), "{body}");
        assert!(text(Form::Plain, result).text.contains("7 bytes"));
    }
}
