//! What a client is told when a part below fails.

use protocol::StreamRefusal;
use runtime::RuntimeError;
use store::{ObjectsError, StoreError};
use types::{ErrorCode, Fault, SessionId};

/// The store failed during `operation`.
pub(crate) fn store(operation: &str, error: StoreError) -> Fault {
    match error {
        StoreError::NotFound { ref what } => Fault::not_found(format!("{operation}: {what} does not exist")).with_source(error),
        StoreError::Fenced { .. } => {
            Fault::new(ErrorCode::Unavailable, format!("{operation}: another server owns the session now; try again there"))
                .with_source(error)
        }
        StoreError::Exists { .. } | StoreError::Open { .. } | StoreError::Database { .. } => Fault::internal(operation, error),
    }
}

/// The back end failed during `operation`.
pub(crate) fn runtime(operation: &str, error: RuntimeError) -> Fault {
    let (code, text) = match &error {
        RuntimeError::Unavailable { .. } => {
            (ErrorCode::Unavailable, "the sandbox back end is not there; try again, and see `roadstead doctor` on the server")
        }
        RuntimeError::Exhausted { .. } => {
            (ErrorCode::ResourceExhausted, "the host has no room for it; delete sessions that are not needed or try again later")
        }
        RuntimeError::Refused { refusal: StreamRefusal::Busy, .. } => {
            (ErrorCode::ResourceExhausted, "the session has too many connections; close some or try again later")
        }
        RuntimeError::Io { .. } => (ErrorCode::Unavailable, "the connection to the session broke; try again"),
        RuntimeError::NoSandbox(_) => (ErrorCode::NotFound, "its sandbox does not exist any more; make a new session"),
        RuntimeError::Unsupported { reason } => {
            return Fault::new(ErrorCode::Unimplemented, format!("{operation}: {reason}")).with_source(error);
        }
        RuntimeError::NoImage(_) | RuntimeError::Create { .. } | RuntimeError::Refused { .. } => return Fault::internal(operation, error),
    };
    Fault::new(code, format!("{operation}: {text}")).with_source(error)
}

/// The objects failed during `operation`. Only the store's own failures are news for the log.
pub(crate) fn objects(operation: &str, error: ObjectsError) -> Fault {
    let code = match &error {
        ObjectsError::NotFound(path) => return Fault::not_found(format!("{operation}: there is no file {path:?} in the context")),
        ObjectsError::Range | ObjectsError::Name(_) => ErrorCode::InvalidArgument,
        ObjectsError::Blocked(_) => ErrorCode::FailedPrecondition,
        ObjectsError::Location { .. } => return Fault::internal(operation, error),
        ObjectsError::Store { .. } => {
            let text = format!("{operation}: the object store did not do it; try again, and see the server's log");
            return Fault::new(ErrorCode::Unavailable, text).with_source(error);
        }
    };
    Fault::new(code, format!("{operation}: {error}"))
}

/// Unknown, foreign and deleted contexts, all alike.
pub(crate) fn no_context(id: &str) -> Fault {
    let shown: String = id.chars().take(80).collect();
    Fault::not_found(format!("context {shown:?} was not found: it does not exist or has been deleted"))
}

/// Unknown, foreign, deleting and deleted sessions, all alike.
pub(crate) fn no_session(id: &SessionId) -> Fault {
    Fault::not_found(format!("session {id} was not found: it does not exist, has expired or was released; make a new one"))
}
