//! `POST …/callTool`: one tool call by a session's token.

use super::answer::Told;
use super::body::{self, Bounds, Call, CallError};
use super::file;
use super::refusal::Refusal;
use super::token::{self, Holder};
use crate::app::App;
use crate::dialect;
use crate::limits::{self, BodyError};
use crate::request::Trail;
use crate::tool::{self, Patience};
use axum::body::Body;
use http::{Request, Response};
use serde_json::{Map, Value};
use std::sync::Arc;
use types::{ClientInfo, Fault};

/// Texts up to this length go with the call; longer ones go as streams.
const SHORT: usize = 4 << 20;

pub(super) async fn post(app: &Arc<App>, trail: &Arc<Trail>, request: Request<Body>) -> Result<Response<Body>, Refusal> {
    let (head, mut body) = request.into_parts();
    let known = match token::in_headers(&head.headers) {
        None => None,
        Some(token) => match token::admit(app, trail, Some(token)).await {
            Ok(holder) => Some(holder),
            Err(fault) => {
                limits::discard(&mut body).await;
                return Err(refuse(trail, &fault));
            }
        },
    };
    // Who has not said yet who they are gets little room.
    let bounds = match known {
        Some(_) => Bounds { json: app.limits.tool_body, content: app.limits.direct_content },
        None => Bounds { json: app.limits.body, content: app.limits.body },
    };
    let mut call = match body::take(app, &mut body, bounds).await {
        Ok(call) => call,
        Err(CallError::Json(error)) => return Err(Refusal::bad_request(error)),
        Err(CallError::Body(error)) => {
            limits::discard(&mut body).await;
            return too_much(trail, error, known.is_some());
        }
    };
    let holder = match known {
        Some(holder) => holder,
        None => token::admit(app, trail, call.token.as_deref()).await.map_err(|fault| refuse(trail, &fault))?,
    };
    trail.action(&format!("callTool {}", call.tool));
    tracing::debug!(request = %trail.request(), client_request = call.request.as_deref().unwrap_or_default(), "direct call");
    let client = match client(app, &holder).await {
        Ok(client) => client,
        Err(fault) => return Ok(failed(trail, &fault).into_response(trail.request())),
    };
    let told = match long(&mut call) {
        Some((content, room)) => file::write(app, &holder, &call, content, room).await,
        None if file::is_whole_read(&call) => match file::read(app, trail, holder, &call).await {
            Ok(response) => return Ok(response),
            Err(told) => *told,
        },
        None => run(app, trail, &holder, &client, (&call.tool, call.args.unwrap_or_default())).await,
    };
    trail.code(told.code);
    Ok(told.into_response(trail.request()))
}

/// Calls a tool; what fails is told as its result.
pub(super) async fn run(app: &App, trail: &Trail, holder: &Holder, client: &ClientInfo, call: (&str, Map<String, Value>)) -> Told {
    let form = dialect::form(client);
    match tool::call(app, trail, &holder.cx, &holder.session, call, form, Patience::Long).await {
        Ok(text) => Told::result(text),
        Err(fault) => failed(trail, &fault),
    }
}

/// What the client said of itself when it made the session, which must live.
pub(super) async fn client(app: &App, holder: &Holder) -> Result<ClientInfo, Fault> {
    Ok(app.control.session(&holder.cx, &holder.session).await?.client)
}

pub(super) fn failed(trail: &Trail, fault: &Fault) -> Told {
    trail.fault(fault);
    Told::fault(fault)
}

/// Notes a failure and refuses the request for it.
pub(super) fn refuse(trail: &Trail, fault: &Fault) -> Refusal {
    trail.fault(fault);
    Refusal::from_fault(fault)
}

/// The content that is too long to go with the call; a short one is put back.
fn long(call: &mut Call) -> Option<(body::content::Content, limits::Room)> {
    let (content, room) = call.content.take()?;
    if content.len() > SHORT && call.tool == protocol::tools::filesystem::WRITE_FILE {
        return Some((content, room));
    }
    call.args.get_or_insert_default().insert("content".into(), content.into_text().into());
    None
}

/// A file that is too large is the caller's to know; who has not said who they are is told in short.
fn too_much(trail: &Trail, error: BodyError, known: bool) -> Result<Response<Body>, Refusal> {
    if known && matches!(error, BodyError::TooLarge { .. } | BodyError::NoRoom) {
        let told = Told::failure("RequestEntityTooLarge", format!("{error}; send a large file in parts (mode append)"));
        trail.code(told.code);
        return Ok(told.into_response(trail.request()));
    }
    Err(error.into())
}
