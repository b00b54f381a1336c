//! Answers to calls. They are 200 whatever the call came to: of any other status SDKs show nothing but its number.

use crate::tool::ToolText;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::json;
use types::{ErrorCode, Fault, RequestId};

/// What a call came to.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) code: &'static str,
    pub(super) text: ToolText,
}

impl Told {
    pub(super) fn result(text: ToolText) -> Self {
        Self { code: "ok", text }
    }

    pub(super) fn failure(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: ToolText { text: text.into(), is_error: true } }
    }

    /// There is no result. Watchers in SDKs end when a text speaks of a session that is not found or expired.
    pub(super) fn fault(fault: &Fault) -> Self {
        let code = match fault.code() {
            ErrorCode::NotFound => {
                let text = format!("session not found or expired ({}); create a new session", fault.message());
                return Self::failure("InvalidMcpSession.NotFound", text);
            }
            ErrorCode::InvalidArgument | ErrorCode::FailedPrecondition => "InvalidParameter",
            ErrorCode::Unauthenticated | ErrorCode::PermissionDenied => "NoPermission",
            ErrorCode::ResourceExhausted => "Throttling",
            ErrorCode::Unavailable => "ServiceUnavailable",
            ErrorCode::DeadlineExceeded => "OperationTimeout",
            ErrorCode::Unimplemented => "UnsupportedOperation",
            ErrorCode::Internal => "InternalError",
        };
        Self::failure(code, fault.message())
    }

    /// The answer on the direct route.
    pub(super) fn into_response(self, request: &RequestId) -> Response<Body> {
        let body = json!({ "code": self.code, "requestId": request.as_str(), "data": { "result": self.text.result() } });
        respond(Body::from(body.to_string()))
    }

    /// The answer at a session's own address: some versions read what stands on top, others the JSON text in `data`.
    pub(super) fn into_vpc_response(self, request: &RequestId) -> Response<Body> {
        let Self { code, text } = self;
        let data = json!({ "result": text.result() }).to_string();
        let (content, is_error) = (text.content(), text.is_error);
        let body = json!({ "code": code, "requestId": request.as_str(), "data": data, "content": content, "isError": is_error });
        respond(Body::from(body.to_string()))
    }
}

/// What stands around a text that is sent piece by piece.
pub(super) fn around_text(request: &RequestId) -> (Bytes, Bytes) {
    let head = format!(r#"{{"code":"ok","requestId":"{request}","data":{{"result":{{"content":[{{"type":"text","text":""#);
    (head.into(), Bytes::from_static(br#""}],"isError":false}}}"#))
}

/// A piece of text as it stands within a JSON string.
pub(super) fn within_string(text: &str) -> Bytes {
    let quoted = serde_json::to_vec(text).expect("a text is a JSON string");
    let inner = 1..quoted.len() - 1;
    Bytes::from(quoted).slice(inner)
}

pub(super) fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    response
}
