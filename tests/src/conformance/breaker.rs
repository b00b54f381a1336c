//! A proxy between an SDK and the server that breaks one rule of the protocol, so that a scenario can be seen to notice.
//!
//! | what passes through | file |
//! |---|---|
//! | actions of the control plane, whose answers are made to lead back here | this one |
//! | requests of AGB's control plane | `agb` |
//! | tool calls on the direct route and at a session's own address | `direct` |
//! | a session's WebSocket | `socket` |

mod agb;
mod direct;
mod front;
mod socket;

pub use front::Front;

use super::rule::{Params, Rule, value_of};
use crate::Server;
use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// More than any request of a scenario.
const BODY_LIMIT: usize = 64 << 20;

/// A running proxy on free ports; dropped, it ends.
#[derive(Debug)]
pub struct Breaker {
    runtime: Option<tokio::runtime::Runtime>,
    way: Arc<Way>,
    front: Front,
}

#[derive(Debug)]
struct Way {
    http: reqwest::Client,
    upstream: String,
    key: String,
    rule: Rule,
    /// The front that the addresses in answers lead to.
    routes: Front,
    ports: BTreeMap<Front, u16>,
    hits: Arc<AtomicU64>,
}

impl Breaker {
    /// Starts it before a server. `front`: how its client is met, if the rule does not care.
    pub fn start(server: &Server, rule: Rule, front: Front) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let front = rule.front.unwrap_or(front);
        let routes = rule.routes.unwrap_or(front);
        // What old SDKs call as an address of a session is plain.
        let hits = Arc::new(AtomicU64::new(0));
        let doors = [front, routes, Front::Plain].into_iter().map(|front| Ok((front, runtime.block_on(front.listen(server, &hits))?)));
        let doors: BTreeMap<_, _> = doors.collect::<Result<_>>()?;
        let ports = doors.iter().map(|(front, (_, port))| (*front, *port)).collect();
        let upstream = server.fact("http")?;
        let way = Arc::new(Way { http, upstream, key: server.key()?, rule, routes, ports, hits });
        for (door, _) in doors.into_values() {
            let app = Router::new().fallback(pass).with_state(way.clone());
            runtime.spawn(async move { axum::serve(door, app).await });
        }
        Ok(Self { runtime: Some(runtime), way, front })
    }

    /// Where SDKs find it.
    pub fn endpoint(&self) -> String {
        self.front.endpoint(self.way.port(self.front))
    }

    /// Its address for plain HTTP.
    pub fn plain(&self) -> String {
        Front::Plain.endpoint(self.way.port(Front::Plain))
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

impl Way {
    fn port(&self, front: Front) -> u16 {
        self.ports.get(&front).copied().unwrap_or_default()
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes the addresses in an answer lead here.
    fn lead_here(&self, data: &mut Value) {
        let port = self.port(self.routes);
        // Without a link, tools are called by the control plane, where most rules are.
        let link = if self.rule.concerns_routes() { self.routes.origin("http", port) + "/direct" } else { String::new() };
        for (name, address) in [
            ("LinkUrl", link),
            ("WsUrl", self.routes.origin("ws", port) + "/direct/ws"),
            ("NetworkInterfaceIp", "127.0.0.1".to_owned()),
            ("HttpPort", self.port(Front::Plain).to_string()),
        ] {
            if let Some(told) = data.get_mut(name).filter(|told| told.as_str().is_some_and(|text| !text.is_empty())) {
                *told = address.into();
            }
        }
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    let answered = match request.uri().path() {
        "/direct/callTool" => direct::post(&way, request).await,
        "/callTool" => direct::get(&way, request).await,
        "/direct/ws" => socket::open(way, request).await,
        path if agb::is_path(path) => agb::forward(&way, request).await,
        _ => forward(&way, request).await,
    };
    answered.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("the breaker: {error:#}")).into_response())
}

async fn forward(way: &Way, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.context("reading the request")?;
    let mut query = pairs(head.uri.query().unwrap_or_default().as_bytes());
    let mut form = pairs(&body);
    let action = value_of(&query, "Action").unwrap_or_default().to_owned();
    let is_covered = way.rule.covers(&action, &form)? && way.rule.meets(&head.method, &head.headers)?;
    if is_covered {
        way.hit();
        if way.rule.refuse.is_some() {
            return Ok(refusal());
        }
        way.rule.change_request(&mut form, &way.key)?;
        way.rule.drop_params(&mut query)?;
    }
    let mut onward = way.http.request(head.method, format!("{}/", way.upstream)).query(&query);
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-acs-") || *name == header::USER_AGENT) {
        onward = onward.header(name, value);
    }
    let answer = onward.form(&form).send().await.context("asking the server")?;
    let status = answer.status().as_u16();
    let (status, bytes) = change(way, &action, is_covered, status, answer.bytes().await?)?;
    answer_of(status, bytes)
}

fn change(way: &Way, action: &str, is_covered: bool, status: u16, bytes: Bytes) -> Result<(u16, Bytes)> {
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else { return Ok((status, bytes)) };
    if let Some(data) = body.get_mut("Data").filter(|_| matches!(action, "CreateMcpSession" | "GetSession")) {
        way.lead_here(data);
    }
    let status = if is_covered { way.rule.change_answer(status, &mut body)? } else { status };
    Ok((status, Bytes::from(body.to_string())))
}

fn answer_of(status: u16, body: Bytes) -> Result<Response> {
    Ok((StatusCode::from_u16(status)?, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What a server says that does not take a request.
fn refusal() -> Response {
    let body = json!({ "Code": "Refused", "Message": "the breaker does not take such requests" });
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn pairs(text: &[u8]) -> Params {
    form_urlencoded::parse(text).into_owned().collect()
}
