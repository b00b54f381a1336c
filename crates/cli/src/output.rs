//! The terminal. A closed pipe ends the program quietly instead of with a panic.

use crate::failure::Failure;
use std::io::Write;

/// A line of result, on standard output.
pub fn line(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A value as JSON, on standard output.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(format!("the result cannot be shown as JSON: {error}")))?;
    line(&text);
    Ok(())
}

/// A remark for the person, on standard error.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
