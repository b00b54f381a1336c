//! Failures of the native API: `{"error": {"code", "message", "request_id"}}` under the right status.

use crate::limits::BodyError;
use crate::request::Trail;
use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode};
use types::{ErrorCode, Fault};

use super::wire::{ErrorBody, ErrorInfo};

/// A failure on its way to a client. A handler returns it bare; [`told`] gives it its form, which needs the request's id.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
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

impl Problem {
    pub(super) fn from_fault(fault: &Fault) -> Self {
        let (status, code) = words(fault.code());
        Self { status, code, message: fault.message().to_owned() }
    }

    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The request itself is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    pub(super) fn respond(self, trail: &Trail) -> Response<Body> {
        trail.code(self.code);
        let error = ErrorInfo { code: self.code.to_owned(), message: self.message, request_id: trail.request().to_string() };
        (self.status, Json(ErrorBody { error })).into_response()
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
