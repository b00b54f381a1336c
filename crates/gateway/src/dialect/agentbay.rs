//! The AgentBay dialect: one RPC endpoint, an action name, form parameters, a JSON envelope.
//!
//! | step | file |
//! |---|---|
//! | action name → what is to be done, or why not | `actions`, `actions::table` |
//! | parameters → a call | `decode`, `extra_configs` |
//! | a view of a session → `Data` | `encode` |
//! | which fields and forms a version of an SDK knows | `version` |
//! | a session's network address | `vpc` |
//! | answer or failure → envelope | `envelope` |
//!
//! What it has in common with its sibling is in [`super::vendor`].
//!
//! Limits: a tool call's body may have 24 MiB, any other 1 MiB; over it the answer is 413. Clients give up after 60 s
//! without an answer, so a command or code without a time limit of its own gets 55 s here.

mod actions;
mod decode;
mod encode;
mod envelope;
mod extra_configs;
mod version;
mod vpc;

pub(super) use version::{DIALECT, form};

use crate::app::App;
use crate::auth;
use crate::dialect::vendor::{Call, Params, Refusal, Subject, shown};
use crate::front::{Dialect, Manner};
use crate::request::Trail;
use axum::body::Body;
use envelope::Answer;
use http::{HeaderMap, Request, Response, StatusCode, header};
use std::sync::Arc;
use types::Fault;

/// The dialect of AgentBay's SDKs.
pub(crate) struct AgentBay;

/// Whether a request is this dialect's: all of its SDKs use one path, and say what they want beside it.
#[cfg(feature = "agb")]
pub(super) fn is_meant(request: &Request<Body>) -> bool {
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    request.uri().path().chars().all(|c| c == '/') || action_of(request.headers(), &query).is_some()
}

/// Header in which SDKs repeat the action.
const ACTION_HEADER: &str = "x-acs-action";
/// Header in which they repeat the version of the API.
const VERSION_HEADER: &str = "x-acs-version";
/// The one version of the API. Who names none means it.
const VERSION: &str = "2025-05-06";

impl Dialect for AgentBay {
    const NAME: &'static str = "agentbay";

    fn manner(request: &Request<Body>) -> Manner {
        let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
        match action_of(request.headers(), &query) {
            // The call goes on in the guest; nobody is left to hear of it.
            Some(actions::CALL_MCP_TOOL) => Manner::WithClient,
            _ => Manner::ToItsEnd,
        }
    }

    async fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        match handle(&app, &trail, request).await {
            Ok(answer) => answer.into_response(trail.request()),
            Err(refusal) => envelope::failure(&trail, &refusal),
        }
    }

    fn rescue(fault: &Fault, trail: &Trail, _: &str) -> Response<Body> {
        envelope::failure(trail, &Refusal::from_fault(fault, Subject::Other))
    }
}

async fn handle(app: &App, trail: &Trail, request: Request<Body>) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let query = Params::parse(head.uri.query().unwrap_or_default().as_bytes());
    let action = action_of(&head.headers, &query).ok_or_else(|| Refusal::missing("Action"))?.to_owned();
    trail.action(&action);
    check_version(&head.headers, &query)?;

    let limit = if action == actions::CALL_MCP_TOOL { app.limits.tool_body } else { app.limits.body };
    let taken = app.admission.body(body, limit, app.timeouts.body).await.map_err(Refusal::from)?;
    let params = query.with(Params::parse(&taken.bytes));

    let header = text_of(&head.headers, header::AUTHORIZATION.as_str());
    let admitted = auth::admit(app, trail, params.text("Authorization").or(header)).await;
    let (cx, _share) = admitted.map_err(|fault| Refusal::noted(trail, &fault, Subject::Other))?;
    let agent = text_of(&head.headers, header::USER_AGENT.as_str()).unwrap_or_default();
    actions::run(&Call { app, trail, cx: &cx, params: &params, session: "SessionId" }, &action, agent).await
}

/// The action that a request names.
fn action_of<'a>(headers: &'a HeaderMap, query: &'a Params) -> Option<&'a str> {
    text_of(headers, ACTION_HEADER).or_else(|| query.text("Action"))
}

fn check_version(headers: &HeaderMap, query: &Params) -> Result<(), Refusal> {
    let named = [query.text("Version"), text_of(headers, VERSION_HEADER)];
    match named.into_iter().flatten().find(|version| *version != VERSION) {
        Some(other) => {
            let message = format!("version {:?} of the API is not spoken here; this server speaks {VERSION}", shown(other));
            Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidVersion", message))
        }
        None => Ok(()),
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
