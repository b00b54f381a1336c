//! What comes of code: text, pictures, data, and errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of code.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::Language;
/// let output = session.code().run_code("print('hi'); 6 * 7", Language::Python).await?;
/// assert_eq!((output.stdout.as_str(), output.text()), ("hi\n", Some("42")));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CodeOutput {
    /// What was shown, in order.
    pub results: Vec<CodeResult>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The error that ended the code.
    pub error: Option<CodeError>,
    /// The kernel's count of executions, when the service tells it.
    pub execution_count: Option<u64>,
    /// How long the code ran, when the service tells it.
    pub execution_time: Option<Duration>,
}

/// An error that code raised, or that its time limit was over.
///
/// ```no_run
/// # fn example(output: roadstead_sdk::CodeOutput) {
/// if let Some(error) = output.error {
///     println!("{}\n{}", error.message, error.traceback);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeError {
    /// One line: class and words, such as `ZeroDivisionError: division by zero`.
    pub message: String,
    /// Everything that the service told, with the traceback if there is one.
    pub traceback: String,
}

/// Something that code showed, in all the forms that it gave it.
///
/// ```no_run
/// # fn example(output: roadstead_sdk::CodeOutput) -> std::io::Result<()> {
/// for (n, picture) in output.results.iter().filter_map(|result| result.png.as_ref()).enumerate() {
///     std::fs::write(format!("{n}.png"), picture)?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CodeResult {
    /// Whether it is the value of the last expression, not a display on the way.
    pub is_main: bool,
    /// `text/plain`.
    pub text: Option<String>,
    /// `text/html`.
    pub html: Option<String>,
    /// `text/markdown`.
    pub markdown: Option<String>,
    /// `image/png`, the bytes.
    pub png: Option<Vec<u8>>,
    /// `image/jpeg`, the bytes.
    pub jpeg: Option<Vec<u8>>,
    /// `image/svg+xml`.
    pub svg: Option<String>,
    /// `text/latex`.
    pub latex: Option<String>,
    /// `application/json`.
    pub json: Option<Value>,
    /// A Vega-Lite chart.
    pub vega: Option<Value>,
    /// MIME type → content of every other form.
    pub other: BTreeMap<String, Value>,
}

impl CodeOutput {
    /// Whether no error ended the code.
    ///
    /// ```no_run
    /// # fn example(output: roadstead_sdk::CodeOutput) {
    /// assert!(output.success());
    /// # }
    /// ```
    pub fn success(&self) -> bool {
        self.error.is_none()
    }

    /// The value of the last expression.
    ///
    /// ```no_run
    /// # fn example(output: roadstead_sdk::CodeOutput) {
    /// println!("{:?}", output.main_result().and_then(|result| result.html.as_deref()));
    /// # }
    /// ```
    pub fn main_result(&self) -> Option<&CodeResult> {
        self.results.iter().find(|result| result.is_main)
    }

    /// The value of the last expression as text.
    ///
    /// ```no_run
    /// # fn example(output: roadstead_sdk::CodeOutput) {
    /// println!("{}", output.text().unwrap_or("nothing"));
    /// # }
    /// ```
    pub fn text(&self) -> Option<&str> {
        self.main_result().and_then(|result| result.text.as_deref())
    }

    /// A service's plain text: all it tells is the result.
    pub(super) fn plain(text: String) -> Self {
        let result = CodeResult { is_main: true, text: Some(text), ..CodeResult::default() };
        Self { results: vec![result], ..Self::default() }
    }

    /// The structured form; `None` when the text is something else.
    pub(super) fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            result: Option<Vec<Value>>,
            #[serde(default)]
            stdout: Lines,
            #[serde(default)]
            stderr: Lines,
            #[serde(rename = "executionError", alias = "execution_error")]
            error: Option<Value>,
            #[serde(alias = "executionCount")]
            execution_count: Option<u64>,
            #[serde(alias = "executionTime")]
            execution_time: Option<f64>,
        }
        let wire: Wire = serde_json::from_str(text).ok()?;
        if wire.result.is_none() && wire.error.is_none() {
            return None;
        }
        Some(Self {
            results: wire.result.unwrap_or_default().into_iter().map(CodeResult::read).collect(),
            stdout: wire.stdout.0,
            stderr: wire.stderr.0,
            error: wire.error.as_ref().and_then(CodeError::read),
            execution_count: wire.execution_count,
            execution_time: wire.execution_time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        })
    }
}

impl CodeError {
    /// `None` for the empty text that stands for no error.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => match ["code", "message"].map(|key| other.get(key).and_then(Value::as_str)) {
                [Some(class), Some(words)] if is_class(class) && !words.starts_with(class) => format!("{class}: {words}"),
                [_, Some(words)] => words.to_owned(),
                [Some(code), None] => code.to_owned(),
                [None, None] => other.to_string(),
            },
        };
        if text.trim().is_empty() {
            return None;
        }
        // A traceback ends with the class and the words; other texts begin with what matters.
        let named = |line: &&str| line.split_once(':').is_some_and(|(name, _)| is_class(name)) || is_class(line);
        let message = text.lines().rev().find(named).or_else(|| text.lines().find(|line| !line.trim().is_empty()));
        Some(Self { message: message.unwrap_or_default().trim().to_owned(), traceback: text })
    }
}

/// Whether this is the name of an error class, such as `ZeroDivisionError` or `java.lang.ArithmeticException`.
fn is_class(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'));
    letters && ["Error", "Exception", "Interrupt", "Exit", "Iteration"].iter().any(|end| name.ends_with(end))
}

impl CodeResult {
    /// An object of MIME types, itself or as JSON text, with `isMainResult` beside them or around them.
    pub(super) fn read(value: Value) -> Self {
        let value = match value {
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(value @ Value::Object(_)) => value,
                _ => return Self { text: Some(text), ..Self::default() },
            },
            other => other,
        };
        let Value::Object(mut fields) = value else {
            return Self { text: Some(value.to_string()), ..Self::default() };
        };
        let flag = fields.remove("isMainResult").or_else(|| fields.remove("is_main_result"));
        let is_main = flag.and_then(|flag| flag.as_bool()).unwrap_or(false);
        let forms = match fields.remove("mime") {
            Some(Value::Object(forms)) => forms,
            _ => fields,
        };
        Self::from_forms(is_main, forms)
    }

    fn from_forms(is_main: bool, forms: Map<String, Value>) -> Self {
        let mut result = Self { is_main, ..Self::default() };
        for (kind, content) in forms {
            match kind.as_str() {
                "text/plain" => result.text = Some(text(content)),
                "text/html" => result.html = Some(text(content)),
                "text/markdown" => result.markdown = Some(text(content)),
                "text/latex" => result.latex = Some(text(content)),
                "image/svg+xml" => result.svg = Some(text(content)),
                "application/json" => result.json = Some(data(content)),
                vega if vega.starts_with("application/vnd.vega") => result.vega = Some(data(content)),
                "image/png" | "image/jpeg" => match (bytes(&content), kind.as_str()) {
                    (Some(bytes), "image/png") => result.png = Some(bytes),
                    (Some(bytes), _) => result.jpeg = Some(bytes),
                    // What is no base64 is kept as it came.
                    (None, _) => drop(result.other.insert(kind, content)),
                },
                _ => drop(result.other.insert(kind, content)),
            }
        }
        result
    }
}

/// Text comes whole or in lines.
fn text(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(lines) if lines.iter().all(Value::is_string) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.to_string(),
    }
}

/// Data comes as JSON or as text that holds JSON.
fn data(content: Value) -> Value {
    match content {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

fn bytes(content: &Value) -> Option<Vec<u8>> {
    let compact: String = content.as_str()?.split_ascii_whitespace().collect();
    STANDARD.decode(compact).ok()
}

/// Pieces of text, or one.
#[derive(Default)]
struct Lines(String);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(from)? {
            Value::Null => Self::default(),
            other => Self(text(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_finds_its_field() {
        let item = r#"{"isMainResult":true,"text/plain":["a","b"],"text/html":"<b>","text/markdown":"*","image/png":"aGk=\n",
            "image/jpeg":"aG8=","image/svg+xml":"<svg>","text/latex":"$x$","application/json":"{\"a\":1}",
            "application/vnd.vegalite.v5+json":{"mark":"bar"},"text/x-own":"?"}"#;
        let wire = serde_json::json!({
            "result": [item, "{\"text/plain\":\"side\"}"], "stdout": ["1\n", "2\n"], "stderr": [], "executionError": "",
            "execution_count": 7, "execution_time": 0.5,
        });
        let output = CodeOutput::read(&wire.to_string()).unwrap();
        let main = output.main_result().unwrap();
        assert_eq!((output.text(), main.html.as_deref(), main.markdown.as_deref()), (Some("ab"), Some("<b>"), Some("*")));
        assert_eq!((main.png.as_deref(), main.jpeg.as_deref()), (Some(&b"hi"[..]), Some(&b"ho"[..])));
        assert_eq!((main.svg.as_deref(), main.latex.as_deref()), (Some("<svg>"), Some("$x$")));
        assert_eq!((&main.json.as_ref().unwrap()["a"], &main.vega.as_ref().unwrap()["mark"]), (&1.into(), &"bar".into()));
        assert_eq!(main.other["text/x-own"], "?");
        assert_eq!((output.results[1].is_main, output.results[1].text.as_deref()), (false, Some("side")));
        assert_eq!((output.stdout.as_str(), output.execution_count), ("1\n2\n", Some(7)));
        assert_eq!((output.execution_time, output.success()), (Some(Duration::from_millis(500)), true));
    }

    #[test]
    fn an_error_is_one_line_and_its_traceback() {
        let check = |text: &str, message: &str| {
            let wire = serde_json::json!({"result": [], "executionError": text});
            let error = CodeOutput::read(&wire.to_string()).unwrap().error.unwrap();
            assert_eq!((error.message.as_str(), error.traceback.as_str()), (message, text));
        };
        check("Traceback (most recent call last):\n  line 1\nZeroDivisionError: division by zero", "ZeroDivisionError: division by zero");
        check("Traceback:\n  x\nKeyboardInterrupt", "KeyboardInterrupt");
        check("the time limit of 1 s was over\nmore", "the time limit of 1 s was over");
    }

    #[test]
    fn what_is_not_the_structured_form_is_told_apart() {
        for other in ["42", "plain", r#"{"a":1}"#, "[1]", r#"{"stdout":["x"]}"#] {
            assert_eq!(CodeOutput::read(other), None, "{other}");
        }
        assert_eq!(CodeOutput::plain("42".into()).text(), Some("42"));
    }
}
