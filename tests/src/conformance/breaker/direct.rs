//! Tool calls past the control plane: on the direct route, and as old SDKs send them to an address of the session's own.

use super::{BODY_LIMIT, Way, answer_of, pairs, refusal};
use crate::conformance::rule::value_of;
use anyhow::{Context, Result};
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

const TOKEN: &str = "x-access-token";

/// `POST /direct/callTool`.
pub(super) async fn post(way: &Way, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let mut call: Value = serde_json::from_slice(&to_bytes(body, BODY_LIMIT).await?).context("a call that is no JSON")?;
    let is_covered = way.rule.covers_on("direct", &[call["tool"].as_str().unwrap_or_default().to_owned()])?
        && way.rule.meets(&head.method, &head.headers)?;
    if is_covered {
        way.hit();
        if way.rule.refuse.is_some() {
            return Ok(refusal());
        }
        way.rule.change_args(&mut call["args"]);
    }
    let onward = way.http.post(format!("{}/direct/callTool", way.upstream)).json(&call);
    exchange(way, is_covered, onward, &head.headers).await
}

/// `GET /callTool`.
pub(super) async fn get(way: &Way, request: Request) -> Result<Response> {
    let mut params = pairs(request.uri().query().unwrap_or_default().as_bytes());
    let is_covered = way.rule.covers_on("vpc", &[value_of(&params, "tool").unwrap_or_default().to_owned()])?
        && way.rule.meets(request.method(), request.headers())?;
    if is_covered {
        way.hit();
        if way.rule.refuse.is_some() {
            return Ok(refusal());
        }
        way.rule.change_request(&mut params, &way.key)?;
    }
    let onward = way.http.get(format!("{}/callTool", way.upstream)).query(&params);
    exchange(way, is_covered, onward, request.headers()).await
}

async fn exchange(way: &Way, is_covered: bool, mut onward: reqwest::RequestBuilder, headers: &HeaderMap) -> Result<Response> {
    if let Some(token) = headers.get(TOKEN) {
        onward = onward.header(TOKEN, token);
    }
    let answer = onward.send().await.context("asking the server")?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await?;
    let (true, Ok(mut body)) = (is_covered, serde_json::from_slice(&bytes)) else { return answer_of(status, bytes) };
    let status = way.rule.change_answer(status, &mut body)?;
    answer_of(status, Bytes::from(body.to_string()))
}
