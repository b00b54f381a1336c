//! What a person reads when a command fails: one line that ends with the remedy.

use roadstead_sdk::Error;
use std::path::Path;

/// A failed command, in words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A file operation that failed.
    pub(crate) fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self(format!("{doing} {} failed: {error}", path.display()))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A line break inside would look like a second message.
        f.write_str(&self.0.replace('\n', " "))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let remedy = match &error {
            Error::Transport { .. } => "; is the server running? start one with `make run` or `roadstead serve`",
            Error::Authentication(_) => {
                "; the key comes from AGENTBAY_API_KEY when that is set, else from ROADSTEAD_KEY_FILE or the data directory"
            }
            Error::Timeout { .. } => "; `roadstead logs` may say what the server is busy with",
            _ => "",
        };
        Self(format!("{error}{remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(Failure::new("one\ntwo").to_string(), "one two");
    }
}
