//! `GET /callTool` at an address of the session's own, as Python SDKs up to 0.14 call tools when their user asked for a
//! session in a network (`is_vpc`).
//!
//! The address is the API's listener without TLS; the dialect of those SDKs gives it out.

use super::call;
use super::refusal::Refusal;
use super::token;
use crate::app::App;
use crate::request::Trail;
use crate::tool;
use axum::body::Body;
use http::{HeaderMap, Response, Uri};
use std::collections::HashMap;

pub(super) async fn get(app: &App, trail: &Trail, uri: &Uri, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let query = uri.query().unwrap_or_default();
    let params: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let text = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let token = text("token").or_else(|| token::in_headers(headers));
    let holder = token::admit(app, trail, token).await.map_err(|fault| call::refuse(trail, &fault))?;
    let name = text("tool").ok_or_else(|| Refusal::bad_request("tool is missing"))?;
    let args = tool::parse_object("args", text("args")).map_err(|fault| Refusal::from_fault(&fault))?;
    trail.action(&format!("callTool {name}"));
    let told = match call::client(app, &holder).await {
        Ok(client) => call::run(app, trail, &holder, &client, (name, args)).await,
        Err(fault) => call::failed(trail, &fault),
    };
    trail.code(told.code);
    Ok(told.into_vpc_response(trail.request()))
}
