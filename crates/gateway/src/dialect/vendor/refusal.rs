//! Failures as both vendors tell them: an HTTP status, a code word, a message. The one table of them.
//!
//! Always an HTTP 4xx or 5xx: SDKs read many failures that come with status 200 as successes.

use super::params::shown;
use crate::limits::BodyError;
use crate::request::Trail;
use http::StatusCode;
use types::{ErrorCode, Fault};

/// A failure in the vendors' words.
#[derive(Debug)]
pub(in crate::dialect) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// What a "not found" is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Subject {
    /// A session: SDKs wait for this very code when they delete one.
    Session,
    /// Anything else.
    Other,
}

/// Status and code word for each kind of failure.
fn words(code: ErrorCode, subject: Subject) -> (StatusCode, &'static str) {
    match (code, subject) {
        (ErrorCode::InvalidArgument, _) => (StatusCode::BAD_REQUEST, "InvalidParameter"),
        (ErrorCode::Unauthenticated, _) => (StatusCode::UNAUTHORIZED, "InvalidApiKey"),
        (ErrorCode::PermissionDenied, _) => (StatusCode::FORBIDDEN, "NoPermission"),
        (ErrorCode::NotFound, Subject::Session) => (StatusCode::BAD_REQUEST, "InvalidMcpSession.NotFound"),
        (ErrorCode::NotFound, Subject::Other) => (StatusCode::NOT_FOUND, "EntityNotExist"),
        (ErrorCode::FailedPrecondition, _) => (StatusCode::CONFLICT, "OperationConflict"),
        (ErrorCode::ResourceExhausted, _) => (StatusCode::TOO_MANY_REQUESTS, "Throttling"),
        (ErrorCode::Unavailable, _) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        (ErrorCode::DeadlineExceeded, _) => (StatusCode::GATEWAY_TIMEOUT, "OperationTimeout"),
        (ErrorCode::Unimplemented, _) => (StatusCode::NOT_IMPLEMENTED, "UnsupportedOperation"),
        (ErrorCode::Internal, _) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}

impl Refusal {
    pub(in crate::dialect) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// As [`Self::from_fault`], with the fault's whole chain in the log.
    pub(in crate::dialect) fn noted(trail: &Trail, fault: &Fault, subject: Subject) -> Self {
        trail.fault(fault);
        Self::from_fault(fault, subject)
    }

    pub(in crate::dialect) fn from_fault(fault: &Fault, subject: Subject) -> Self {
        let (status, code) = words(fault.code(), subject);
        Self { status, code, message: fault.message().to_owned() }
    }

    /// A parameter that must be there is not.
    pub(in crate::dialect) fn missing(name: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "MissingParameter", message: format!("{name} is missing") }
    }

    /// A parameter's value is wrong; `why` continues the sentence that its name begins.
    pub(in crate::dialect) fn invalid(name: &str, why: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameter", message: format!("{name} {why}") }
    }

    /// Something that this server knows and cannot carry out, for want of something.
    pub(in crate::dialect) fn not_offered(name: &str, what: &str) -> Self {
        let message = format!("{name} needs {what}, which this server does not have; COMPATIBILITY.md lists what is there");
        Self { status: StatusCode::NOT_IMPLEMENTED, code: "UnsupportedOperation", message }
    }

    /// A session that does not exist for this caller.
    pub(in crate::dialect) fn no_session(id: &str) -> Self {
        let message = format!("session {:?} was not found: it does not exist, has expired or was released", shown(id));
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidMcpSession.NotFound", message }
    }

    /// A parameter that means something elsewhere but not here.
    pub(in crate::dialect) fn unsupported(name: &str, what: &str) -> Self {
        let message = format!("{name}: this server has no {what} yet; leave it out (COMPATIBILITY.md lists what is there)");
        Self { status: StatusCode::BAD_REQUEST, code: "UnsupportedParameter", message }
    }

    pub(in crate::dialect) fn code(&self) -> &'static str {
        self.code
    }

    pub(in crate::dialect) fn status(&self) -> StatusCode {
        self.status
    }

    pub(in crate::dialect) fn message(&self) -> &str {
        &self.message
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            BodyError::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
            BodyError::NoRoom => (StatusCode::TOO_MANY_REQUESTS, "Throttling"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "InvalidParameter"),
        };
        Self { status, code, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_its_status_and_word() {
        let check = |code, subject, status: u16, word: &str| {
            let refusal = Refusal::from_fault(&Fault::new(code, "text"), subject);
            assert_eq!((refusal.status.as_u16(), refusal.code, refusal.message()), (status, word, "text"));
        };
        check(ErrorCode::NotFound, Subject::Session, 400, "InvalidMcpSession.NotFound");
        check(ErrorCode::NotFound, Subject::Other, 404, "EntityNotExist");
        check(ErrorCode::Unauthenticated, Subject::Session, 401, "InvalidApiKey");
        check(ErrorCode::PermissionDenied, Subject::Other, 403, "NoPermission");
        check(ErrorCode::InvalidArgument, Subject::Session, 400, "InvalidParameter");
        check(ErrorCode::FailedPrecondition, Subject::Session, 409, "OperationConflict");
        check(ErrorCode::ResourceExhausted, Subject::Other, 429, "Throttling");
        check(ErrorCode::Unavailable, Subject::Session, 503, "ServiceUnavailable");
        check(ErrorCode::DeadlineExceeded, Subject::Session, 504, "OperationTimeout");
        check(ErrorCode::Unimplemented, Subject::Session, 501, "UnsupportedOperation");
        check(ErrorCode::Internal, Subject::Session, 500, "InternalError");
    }

    #[test]
    fn only_a_missing_session_speaks_of_not_found_where_sessions_are_polled() {
        use ErrorCode::*;
        for code in [
            InvalidArgument,
            Unauthenticated,
            PermissionDenied,
            FailedPrecondition,
            ResourceExhausted,
            Unavailable,
            DeadlineExceeded,
            Internal,
        ] {
            assert!(!words(code, Subject::Session).1.contains("NotFound"), "{code:?}");
        }
    }
}
