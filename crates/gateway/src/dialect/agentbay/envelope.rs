//! The JSON around every answer.

use crate::dialect::vendor::Refusal;
use crate::request::Trail;
use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use types::RequestId;

/// A success: its `Data`, and for lists where they go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    data: Value,
    paging: Option<Paging>,
}

/// Paging stands beside `Data`, not inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Paging {
    /// Empty on the last page.
    pub(super) next_token: String,
    pub(super) max_results: u64,
    pub(super) total_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    request_id: &'a str,
    success: bool,
    code: &'a str,
    message: &'a str,
    http_status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(flatten)]
    paging: Option<&'a Paging>,
    /// The same as `TotalCount`; lists of files are counted by this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Answer {
    /// An answer whose `Data` is `data`.
    pub(super) fn data(data: Value) -> Self {
        Self { data, paging: None }
    }

    /// An answer without `Data`.
    pub(super) fn empty() -> Self {
        Self::data(Value::Null)
    }

    /// One page of a list.
    pub(super) fn page(data: Value, paging: Paging) -> Self {
        Self { data, paging: Some(paging) }
    }

    pub(super) fn into_response(self, request: &RequestId) -> Response<Body> {
        let data = (!self.data.is_null()).then_some(&self.data);
        let status = StatusCode::OK;
        respond(
            status,
            request,
            &Envelope {
                request_id: request.as_str(),
                success: true,
                code: "ok",
                message: "",
                http_status_code: status.as_u16(),
                data,
                paging: self.paging.as_ref(),
                count: self.paging.as_ref().map(|paging| paging.total_count),
            },
        )
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&Value, Option<&Paging>) {
        (&self.data, self.paging.as_ref())
    }
}

/// The answer to what failed.
pub(super) fn failure(trail: &Trail, refusal: &Refusal) -> Response<Body> {
    trail.code(refusal.code());
    let envelope = Envelope {
        request_id: trail.request().as_str(),
        success: false,
        code: refusal.code(),
        message: refusal.message(),
        http_status_code: refusal.status().as_u16(),
        data: None,
        paging: None,
        count: None,
    };
    respond(refusal.status(), trail.request(), &envelope)
}

fn respond(status: StatusCode, request: &RequestId, envelope: &Envelope<'_>) -> Response<Body> {
    let body = serde_json::to_vec(envelope).expect("envelopes are plain values");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    if let Ok(id) = HeaderValue::from_str(request.as_str()) {
        response.headers_mut().insert("x-acs-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use serde_json::json;

    async fn check(response: Response<Body>, status: u16, wanted: Value) {
        assert_eq!(response.status().as_u16(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), wanted);
    }

    #[tokio::test]
    async fn envelopes_have_the_keys_that_sdks_read() {
        let id: RequestId = "req-1".parse().unwrap();
        let ok = json!({"RequestId": "req-1", "Success": true, "Code": "ok", "Message": "", "HttpStatusCode": 200});
        let with = |more: Value| {
            let mut whole = ok.clone();
            whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            whole
        };
        check(Answer::empty().into_response(&id), 200, ok.clone()).await;
        check(Answer::data(json!({"Url": "x"})).into_response(&id), 200, with(json!({"Data": {"Url": "x"}}))).await;
        let paging = Paging { next_token: String::new(), max_results: 10, total_count: 0 };
        let wanted = with(json!({"Data": [], "NextToken": "", "MaxResults": 10, "TotalCount": 0, "Count": 0}));
        check(Answer::page(json!([]), paging).into_response(&id), 200, wanted).await;
        let trail = Trail::start("agentbay", &*crate::testing::app().await.entropy);
        let id = trail.request().as_str();
        let wanted = json!({"RequestId": id, "Success": false, "Code": "C", "Message": "m", "HttpStatusCode": 400});
        check(failure(&trail, &Refusal::new(StatusCode::BAD_REQUEST, "C", "m")), 400, wanted).await;
    }
}
