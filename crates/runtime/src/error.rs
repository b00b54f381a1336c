//! How making or reaching a sandbox can fail.

use protocol::StreamRefusal;
use types::{ImageId, SandboxId};

/// A failure of a back end.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The back end (the starter) is not there.
    #[error("the sandbox back end cannot be reached: {reason}")]
    Unavailable {
        /// What was tried.
        reason: String,
    },
    /// No such sandbox, or it has ended.
    #[error("sandbox {0} does not exist")]
    NoSandbox(SandboxId),
    /// No such image on this host.
    #[error("image {0} is not on this host")]
    NoImage(ImageId),
    /// The host has no room for another one.
    #[error("no room for another sandbox: {reason}")]
    Exhausted {
        /// What ran out.
        reason: String,
    },
    /// Making it failed.
    #[error("sandbox {id} could not be made: {step}")]
    Create {
        /// Which one.
        id: SandboxId,
        /// The step that failed and why.
        step: String,
    },
    /// This back end is too old for it, or of another kind.
    #[error("the back end cannot do that: {reason}")]
    Unsupported {
        /// What it lacks and what would help.
        reason: String,
    },
    /// The guest refused the stream.
    #[error("the guest refused the stream: {message}")]
    Refused {
        /// Why, as a kind.
        refusal: StreamRefusal,
        /// Why, in words.
        message: String,
    },
    /// The connection broke, or the other side did not keep to the protocol.
    #[error("talking to sandbox {id} failed while {doing}")]
    Io {
        /// Which one.
        id: SandboxId,
        /// What was going on.
        doing: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}
