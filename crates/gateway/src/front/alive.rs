//! Answers that are long in coming, to clients that give up after a silence and not after a time.
//!
//! Such an answer begins before it is known: with status 200, the type of a JSON answer, and blanks, which JSON may begin
//! with. What became of the request is then for its JSON alone to say.

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use std::time::Duration;

const BLANK: Bytes = Bytes::from_static(b" ");

/// The answer itself when it is there within `every`; one that begins with a blank each `every` otherwise. Dropping its
/// body drops `answer`.
pub(super) async fn keep(every: Duration, answer: impl Future<Output = Response<Body>> + Send + 'static) -> Response<Body> {
    let mut answer = Box::pin(answer);
    if let Ok(response) = tokio::time::timeout(every, answer.as_mut()).await {
        return response;
    }
    // The first blank goes with the head: so long the client has waited.
    let blanks = stream::unfold((Some(answer), Duration::ZERO), move |(answer, wait)| async move {
        let mut answer = answer?;
        match tokio::time::timeout(wait, answer.as_mut()).await {
            Err(_) => Some((Ok(BLANK), (Some(answer), every))),
            Ok(response) => Some((response.into_body().collect().await.map(|body| body.to_bytes()), (None, every))),
        }
    });
    let mut response = Response::new(Body::from_stream(blanks));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
