//! The JSON around every answer.
//!
//! What the SDK takes for a success differs from endpoint to endpoint and from version to version, and what it shows of a
//! failure too. So a success has no message, which would be shown in place of a tool's text; and a failure says so wherever
//! a version looks for it.

use super::endpoints::{CREATE, TOOL_CALL};
use crate::dialect::vendor::Refusal;
use crate::request::Trail;
use crate::tool::ToolText;
use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use types::RequestId;

/// A success: its `data`, and for lists where they go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    data: Value,
    paging: Option<Paging>,
}

/// Paging stands beside `data`, not inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paging {
    /// Empty on the last page.
    pub(super) next_token: String,
    pub(super) max_results: u32,
    /// How many there are in all.
    pub(super) count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    request_id: &'a str,
    success: bool,
    code: &'a str,
    message: &'a str,
    http_status_code: u16,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: &'a Value,
    #[serde(flatten)]
    paging: Option<&'a Paging>,
}

impl Answer {
    /// An answer whose `data` is `data`.
    pub(super) fn data(data: Value) -> Self {
        Self { data, paging: None }
    }

    /// An answer without `data`.
    pub(super) fn empty() -> Self {
        Self::data(Value::Null)
    }

    /// One page of a list.
    pub(super) fn page(data: Value, paging: Paging) -> Self {
        Self { data, paging: Some(paging) }
    }

    pub(super) fn into_response(self, request: &RequestId) -> Response<Body> {
        let (data, paging) = (&self.data, self.paging.as_ref());
        let status = StatusCode::OK;
        let (request_id, http_status_code) = (request.as_str(), status.as_u16());
        respond(status, &Envelope { request_id, success: true, code: "ok", message: "", http_status_code, data, paging })
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Value, Option<&Paging>) {
        (&self.data, self.paging.as_ref())
    }
}

/// The answer to what failed at the endpoint called `name`.
pub(super) fn failure(trail: &Trail, refusal: &Refusal, name: &str) -> Response<Body> {
    trail.code(refusal.code());
    let (code, message, status) = (refusal.code(), refusal.message(), refusal.status());
    let data = match name {
        // All that clients look at, whatever the status.
        CREATE => json!({ "success": false, "errMsg": message }),
        // All that versions up to 0.7 look at.
        TOOL_CALL => ToolText { text: message.to_owned(), is_error: true }.result(),
        _ => Value::Null,
    };
    let (request_id, http_status_code) = (trail.request().as_str(), status.as_u16());
    respond(status, &Envelope { request_id, success: false, code, message, http_status_code, data: &data, paging: None })
}

fn respond(status: StatusCode, envelope: &Envelope<'_>) -> Response<Body> {
    let body = serde_json::to_vec(envelope).expect("envelopes are plain values");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    if let Ok(id) = HeaderValue::from_str(envelope.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, told};

    async fn check(response: Response<Body>, status: u16, wanted: Value) {
        let (got, body) = told(response).await;
        assert_eq!((got, serde_json::from_str::<Value>(&body).unwrap()), (status, wanted));
    }

    #[tokio::test]
    async fn envelopes_have_the_keys_that_the_sdk_reads() {
        let trail = Trail::start("agb", &*testing::app().await.entropy);
        let id = trail.request();
        let ok = json!({"requestId": id.as_str(), "success": true, "code": "ok", "message": "", "httpStatusCode": 200});
        let bad = json!({"requestId": id.as_str(), "success": false, "code": "C", "message": "m", "httpStatusCode": 400});
        let with = |whole: &Value, more: Value| {
            let mut whole = whole.clone();
            whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            whole
        };
        check(Answer::empty().into_response(id), 200, ok.clone()).await;
        check(Answer::data(json!({"url": "x"})).into_response(id), 200, with(&ok, json!({"data": {"url": "x"}}))).await;
        let paging = Paging { next_token: String::new(), max_results: 10, count: 0 };
        let wanted = with(&ok, json!({"data": [], "nextToken": "", "maxResults": 10, "count": 0}));
        check(Answer::page(json!([]), paging).into_response(id), 200, wanted).await;

        let refused = |name: &str| failure(&trail, &Refusal::new(StatusCode::BAD_REQUEST, "C", "m"), name);
        check(refused("mcp/getSession"), 400, bad.clone()).await;
        check(refused(CREATE), 400, with(&bad, json!({"data": {"success": false, "errMsg": "m"}}))).await;
        let text = json!({"isError": true, "content": [{"type": "text", "text": "m"}]});
        check(refused(TOOL_CALL), 400, with(&bad, json!({ "data": text }))).await;
    }
}
