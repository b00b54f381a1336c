//! Requests that are not taken. SDKs show their users nothing of these but the status, so only what is wrong with the
//! request as such is told this way: what is wrong with a call is its result.

use crate::limits::BodyError;
use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use types::{ErrorCode, Fault, RequestId};

/// Why a request is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn from_fault(fault: &Fault) -> Self {
        let (status, code) = match fault.code() {
            ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => (StatusCode::UNAUTHORIZED, "InvalidToken"),
            ErrorCode::NotFound => (StatusCode::NOT_FOUND, "InvalidMcpSession.NotFound"),
            ErrorCode::InvalidArgument | ErrorCode::FailedPrecondition => (StatusCode::BAD_REQUEST, "InvalidParameter"),
            ErrorCode::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "Throttling"),
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            ErrorCode::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "OperationTimeout"),
            ErrorCode::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "UnsupportedOperation"),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        Self::new(status, code, fault.message())
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "InvalidMethod", "this path takes another method: POST for calls, GET for the socket")
    }

    pub(super) fn path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "InvalidPath",
            "there is nothing at this path; a session's link URL and socket URL say where to call",
        )
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn into_response(self, request: &RequestId) -> Response<Body> {
        let body = json!({ "code": self.code, "message": self.message, "requestId": request.as_str() });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
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
        Self::new(status, code, error.to_string())
    }
}
