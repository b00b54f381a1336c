//! Failures of the native API: `{"error": {"code", "message", "request_id"}}` under the right status.

use crate::limits::BodyError;
use crate::request::Trail;
use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode};
use protocol::{ToolError, ToolErrorCode};
use types::{ErrorCode, Fault};

use super::wire::{ErrorBody, ErrorInfo};

/// A failure on its way to a client. A handler returns it bare; [`told`] gives it its form, which needs the request's id.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    tool: bool,
}

fn words(code: ErrorCode) -> (StatusCode, &'static str) {
    match code {
        ErrorCode::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_argument"),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        ErrorCode::PermissionDenied => (StatusCode::FORBIDDEN, "permission_denied"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        ErrorCode::FailedPrecondition => (StatusCode::CONFLICT, "failed_precondition"),
        ErrorCode::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
        ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        ErrorCode::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
        ErrorCode::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn tool_words(code: ToolErrorCode) -> (StatusCode, &'static str) {
    match code {
        ToolErrorCode::UnknownTool => (StatusCode::NOT_FOUND, "unknown_tool"),
        ToolErrorCode::InvalidArgument => words(ErrorCode::InvalidArgument),
        ToolErrorCode::NotFound => words(ErrorCode::NotFound),
        ToolErrorCode::PermissionDenied => words(ErrorCode::PermissionDenied),
        ToolErrorCode::AlreadyExists => (StatusCode::CONFLICT, "already_exists"),
        ToolErrorCode::WrongFileType => (StatusCode::CONFLICT, "wrong_file_type"),
        ToolErrorCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        ToolErrorCode::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no_space"),
        ToolErrorCode::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        ToolErrorCode::Cancelled => (StatusCode::CONFLICT, "cancelled"),
        ToolErrorCode::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        ToolErrorCode::Internal => words(ErrorCode::Internal),
    }
}

/// A failure as it is told where there is no status: on a stream.
pub(super) fn error_info(fault: &Fault, trail: &Trail) -> ErrorInfo {
    let (_, code) = words(fault.code());
    ErrorInfo { code: code.to_owned(), message: fault.message().to_owned(), request_id: trail.request().to_string(), tool: false }
}

impl Problem {
    pub(super) fn from_fault(fault: &Fault) -> Self {
        let (status, code) = words(fault.code());
        Self::new(status, code, fault.message())
    }

    /// A tool inside the session failed.
    pub(super) fn from_tool(error: &ToolError) -> Self {
        let (status, code) = tool_words(error.code);
        Self { tool: true, ..Self::new(status, code, error.message.as_str()) }
    }

    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), tool: false }
    }

    /// The request itself is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    pub(super) fn respond(self, trail: &Trail) -> Response<Body> {
        trail.code(self.code);
        let Self { status, code, message, tool } = self;
        let error = ErrorInfo { code: code.to_owned(), message, request_id: trail.request().to_string(), tool };
        (status, Json(ErrorBody { error })).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, code) = match &error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            BodyError::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            BodyError::NoRoom => words(ErrorCode::ResourceExhausted),
            BodyError::Broken(_) => words(ErrorCode::InvalidArgument),
        };
        Self::new(status, code, error.to_string())
    }
}

/// What a handler answered, as the client is to see it: failures in their form, and the request's id on all.
pub(super) fn told(mut response: Response<Body>, trail: &Trail) -> Response<Body> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.respond(trail);
    }
    let id = HeaderValue::from_str(trail.request().as_str()).expect("ids are letters, digits and dashes");
    response.headers_mut().insert("x-request-id", id);
    response
}
