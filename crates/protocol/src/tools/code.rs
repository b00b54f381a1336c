//! `run_code`: code in a kernel of its language, one per session and language, whose state is kept between calls.

use std::collections::BTreeMap;

/// Tool name.
pub const RUN_CODE: &str = "run_code";
/// Time limit when the caller names none, seconds.
pub const DEFAULT_TIMEOUT_S: f64 = 60.0;
/// Longest time limit, seconds (24 h).
pub const MAX_TIMEOUT_S: f64 = 86_400.0;

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python 3.
    #[serde(alias = "py", alias = "python3", alias = "Python")]
    Python,
    /// JavaScript (Node.js).
    #[serde(alias = "js", alias = "node", alias = "nodejs", alias = "JavaScript")]
    Javascript,
    /// R.
    #[serde(alias = "R")]
    R,
    /// Java.
    #[serde(alias = "Java")]
    Java,
}

impl Language {
    /// Its word, which is also the directory name of its kernel's specification in an image.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::R => "r",
            Self::Java => "java",
        }
    }
}

/// Arguments of `run_code`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct RunCodeArgs {
    /// The code.
    pub code: String,
    /// Its language.
    pub language: Language,
    /// Time limit in seconds. When it passes, the code is interrupted and the kernel's state is kept.
    #[serde(default)]
    pub timeout_s: Option<f64>,
}

// A time limit is never NaN: JSON has none.
impl Eq for RunCodeArgs {}

/// Something to show, in all the forms that the code gave it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CodeResult {
    /// Whether it is the value of the last expression, not a display on the way.
    pub is_main: bool,
    /// MIME type → content. Binary types (`image/png`, `image/jpeg`) are base64; JSON types are JSON values, any other
    /// type is a string.
    pub data: BTreeMap<String, serde_json::Value>,
}

/// An error that the code raised.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CodeError {
    /// Its class, such as `ZeroDivisionError`.
    pub name: String,
    /// What it says.
    pub value: String,
    /// The traceback as plain text, without terminal colours; empty when there is none.
    #[serde(default)]
    pub traceback: String,
}

/// What came of the code. An error of the code, or its time-out, is a result, not a [`crate::ToolError`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunCodeResult {
    /// What was shown, in order.
    pub results: Vec<CodeResult>,
    /// Pieces of standard output, in order.
    pub stdout: Vec<String>,
    /// Pieces of standard error, in order.
    pub stderr: Vec<String>,
    /// The error that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CodeError>,
    /// The kernel's count of executions.
    pub execution_count: u32,
    /// How long it ran, seconds; the kernel's start does not count.
    pub execution_time_s: f64,
    /// Whether its time limit interrupted it.
    #[serde(default)]
    pub timed_out: bool,
    /// Whether the kernel had to be killed, or died, so that its state is lost.
    #[serde(default)]
    pub state_lost: bool,
    /// How many bytes of output beyond the limit were left out.
    #[serde(default)]
    pub cut_bytes: u64,
}
