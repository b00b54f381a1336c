//! A proxy between an SDK and the server that breaks one rule of the protocol, so that a scenario can be seen to notice.

mod agb;

use super::rule::{Params, Rule, value_of};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// More than any request of a scenario.
const BODY_LIMIT: usize = 64 << 20;

/// A running proxy, on plain HTTP and a free port; dropped, it ends.
#[derive(Debug)]
pub struct Breaker {
    runtime: Option<tokio::runtime::Runtime>,
    way: Arc<Way>,
    url: String,
}

#[derive(Debug)]
struct Way {
    http: reqwest::Client,
    upstream: String,
    key: String,
    rule: Rule,
    hits: AtomicU64,
}

impl Breaker {
    /// Starts it before the server at `upstream`, whose key is `key`.
    pub fn start(upstream: String, key: String, rule: Rule) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let way = Arc::new(Way { http, upstream, key, rule, hits: AtomicU64::new(0) });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).context("the breaker finds no port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new().fallback(pass).with_state(way.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { runtime: Some(runtime), way, url })
    }

    /// Where SDKs find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests the rule was for. None means that nothing was broken.
    pub fn hits(&self) -> u64 {
        self.way.hits.load(Ordering::Relaxed)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    match forward(&way, request).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("the breaker: {error:#}")).into_response(),
    }
}

async fn forward(way: &Way, request: Request) -> Result<Response> {
    if agb::is_path(request.uri().path()) {
        return agb::forward(way, request).await;
    }
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.context("reading the request")?;
    let mut query = pairs(head.uri.query().unwrap_or_default().as_bytes());
    let mut form = pairs(&body);
    let action = value_of(&query, "Action").unwrap_or_default().to_owned();
    let is_covered = way.rule.covers(&action, &form)?;
    if is_covered {
        way.hits.fetch_add(1, Ordering::Relaxed);
        way.rule.change_request(&mut form, &way.key)?;
        query.retain(|(name, _)| !way.rule.request_set.contains_key(name) && !way.rule.request_drop.contains(name));
    }
    let mut onward = way.http.request(head.method, format!("{}/", way.upstream)).query(&query);
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-acs-") || *name == header::USER_AGENT) {
        onward = onward.header(name, value);
    }
    let answer = onward.form(&form).send().await.context("asking the server")?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await?;
    let (status, bytes) = change(way, &action, is_covered, status, bytes)?;
    Ok((StatusCode::from_u16(status)?, [(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

fn change(way: &Way, action: &str, is_covered: bool, status: u16, bytes: Bytes) -> Result<(u16, Bytes)> {
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else { return Ok((status, bytes)) };
    // Calls on the direct route would go past us.
    if !way.rule.concerns_routes()
        && matches!(action, "CreateMcpSession" | "GetSession")
        && let Some(data) = body.get_mut("Data").and_then(Value::as_object_mut)
    {
        data.remove("LinkUrl");
    }
    let status = if is_covered { way.rule.change_answer(status, &mut body)? } else { status };
    Ok((status, Bytes::from(body.to_string())))
}

fn pairs(text: &[u8]) -> Params {
    form_urlencoded::parse(text).into_owned().collect()
}
