//! One error shape for everything a client can be told.

use std::fmt;

/// What kind of failure it is. Each dialect maps a code to its own status and code words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request itself is wrong; repeating it cannot help.
    InvalidArgument,
    /// No key, an unknown key, a revoked key.
    Unauthenticated,
    /// A valid key that may not do this.
    PermissionDenied,
    /// No such object for this tenant.
    NotFound,
    /// The object is in a state that does not allow this now.
    FailedPrecondition,
    /// A quota or a bounded queue is full; a later try may work.
    ResourceExhausted,
    /// A part we depend on is not there now; a later try may work.
    Unavailable,
    /// The work did not end within its time limit.
    DeadlineExceeded,
    /// Known, but not offered by this server or image.
    Unimplemented,
    /// Our fault.
    Internal,
}

impl ErrorCode {
    /// Whether the same request may succeed later without being changed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::ResourceExhausted | Self::Unavailable)
    }
}

/// A failure with a public text and, kept apart, the chain of causes for the log.
///
/// The public text names the operation, the object and the remedy. The source is never shown to a client.
pub struct Fault {
    code: ErrorCode,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A failure whose `message` may be shown to the client.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// Attaches the internal cause, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An internal failure: the client learns only that `operation` failed, the log learns why.
    pub fn internal(operation: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, format!("{operation} failed inside the server; see the server's log for this request id"))
            .with_source(source)
    }

    /// Shorthand for [`ErrorCode::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// Shorthand for [`ErrorCode::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The kind of failure.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The text a client may see.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole chain on one line, for the log.
    pub fn chain(&self) -> String {
        error_chain(self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.chain())
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

/// An error and all its causes on one line, for a log or for the person in front of the server.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_text_leaves_the_source_out_and_the_chain_has_it() {
        let fault = Fault::internal("creating a session", std::io::Error::other("disk on fire"));
        assert!(!fault.to_string().contains("disk on fire"));
        assert!(fault.chain().contains("disk on fire"));
        assert_eq!(fault.code(), ErrorCode::Internal);
    }
}
