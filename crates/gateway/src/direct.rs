//! The direct routes into one session: without the API key, by a token that opens this session and nothing else.
//!
//! | request | what | file |
//! |---|---|---|
//! | `POST /direct/callTool` | a tool call with no limit of 60 s; whole files of any length | `call`, `body`, `file` |
//! | `GET /direct/ws` | the WebSocket: streamed code, terminals, watched directories | `socket` |
//! | `GET /callTool` | the same call as a GET, which old SDKs send to a session's own address | `vpc` |
//!
//! Both vendors' SDKs speak these routes alike, so they stand beside the dialects. What a client says of its session at
//! creation decides which of them it is told of; every client may use all.
//!
//! Limits: a call's body may have 24 MiB besides the text of a `write_file`, which may have 256 MiB; a call ends 890 s
//! after its own limit at the latest, a transfer after 890 s in all.

mod answer;
mod body;
mod call;
mod file;
mod refusal;
mod socket;
mod token;
mod utf8;
mod vpc;

pub(crate) use token::issue as token;

use crate::app::App;
use crate::front::{Dialect, Manner};
use crate::request::Trail;
use axum::body::Body;
use http::{Method, Request, Response};
use refusal::Refusal;
use std::sync::Arc;
use types::Fault;

/// Serves the direct routes.
pub(crate) struct Direct;

const BASE: &str = "/direct";
const CALL: &str = "/direct/callTool";
const SOCKET: &str = "/direct/ws";
const VPC_CALL: &str = "/callTool";

/// The base of a session's calls, as clients are told it.
pub(crate) fn link_url(app: &App) -> String {
    format!("{}{BASE}", app.public.http())
}

/// The address of a session's WebSocket, as clients are told it.
pub(crate) fn socket_url(app: &App) -> String {
    format!("{}{SOCKET}", app.public.web_socket())
}

/// Whether a path is one of these routes.
pub(crate) fn serves(path: &str) -> bool {
    path == VPC_CALL || path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Dialect for Direct {
    const NAME: &'static str = "direct";

    fn manner(_: &Request<Body>) -> Manner {
        Manner::ToItsEnd
    }

    async fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let answered = match (request.method(), path.as_str()) {
            (&Method::POST, CALL) => call::post(&app, &trail, request).await,
            (&Method::GET, SOCKET) => socket::open(&app, &trail, request).await,
            (&Method::GET, VPC_CALL) => {
                let (head, _) = request.into_parts();
                vpc::get(&app, &trail, &head.uri, &head.headers).await
            }
            (_, CALL | SOCKET | VPC_CALL) => Err(Refusal::method()),
            _ => Err(Refusal::path()),
        };
        answered.unwrap_or_else(|refusal| {
            trail.code(refusal.code());
            refusal.into_response(trail.request())
        })
    }

    fn rescue(fault: &Fault, trail: &Trail, _: &str) -> Response<Body> {
        let refusal = Refusal::from_fault(fault);
        trail.code(refusal.code());
        refusal.into_response(trail.request())
    }
}

#[cfg(test)]
mod tests;
