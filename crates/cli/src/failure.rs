//! What a person reads when a command fails: one line, with the remedy.

use std::fmt;
use std::path::Path;
use types::Fault;

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Exit code of the process; 1 unless a command's own exit code is passed on.
    pub code: u8,
}

impl Failure {
    /// A failure that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A file operation that failed.
    pub fn io(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        Self::new(format!("{doing} {} failed: {error}", path.display()))
    }

    /// The engine's own failure, with its causes: the person in front of the server may see them.
    pub fn fault(fault: &Fault) -> Self {
        Self::new(fault.chain())
    }

    /// `what`, and after it every cause.
    pub fn chain(what: &str, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut next = error.source();
        while let Some(cause) = next {
            message.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
