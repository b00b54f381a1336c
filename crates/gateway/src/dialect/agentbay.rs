//! The AgentBay dialect: one RPC endpoint, an action name, form parameters, a JSON envelope.
//!
//! | step | file |
//! |---|---|
//! | query ∪ form body → parameters with types | `params` |
//! | action name → what is to be done, or why not | `actions`, `actions::table` |
//! | parameters → a call | `decode`, `extra_configs` |
//! | a view of a session → `Data` | `encode` |
//! | which fields and forms a version of an SDK knows | `version` |
//! | answer or failure → envelope | `envelope`, `rescue` |
//!
//! Limits: a tool call's body may have 24 MiB, any other 1 MiB; over it the answer is 413. Clients give up after 60 s
//! without an answer, so a command or code without a time limit of its own gets 55 s here.

mod actions;
mod decode;
mod encode;
mod envelope;
mod extra_configs;
mod params;
mod rescue;
mod version;

pub(crate) use version::form;

use crate::app::App;
use crate::auth;
use crate::front::Dialect;
use crate::request::Trail;
use axum::body::Body;
use envelope::Answer;
use http::{HeaderMap, Request, Response, header};
use params::Params;
use rescue::{Refusal, Subject};
use std::sync::Arc;
use types::Fault;

/// The dialect of AgentBay's SDKs.
pub(crate) struct AgentBay;

/// Header in which SDKs repeat the action.
const ACTION_HEADER: &str = "x-acs-action";
/// Header in which they repeat the version of the API.
const VERSION_HEADER: &str = "x-acs-version";
/// The one version of the API. Who names none means it.
const VERSION: &str = "2025-05-06";

impl Dialect for AgentBay {
    const NAME: &'static str = "agentbay";
    const OUTLIVES_CLIENT: bool = true;

    async fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        match handle(&app, &trail, request).await {
            Ok(answer) => answer.into_response(trail.request()),
            Err(refusal) => {
                trail.code(refusal.code());
                refusal.into_response(trail.request())
            }
        }
    }

    fn rescue(fault: &Fault, trail: &Trail) -> Response<Body> {
        let refusal = Refusal::from_fault(fault, Subject::Other);
        trail.code(refusal.code());
        refusal.into_response(trail.request())
    }
}

async fn handle(app: &App, trail: &Trail, request: Request<Body>) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let query = Params::parse(head.uri.query().unwrap_or_default().as_bytes());
    let action = action_of(&head.headers, &query)?;
    trail.action(&action);
    check_version(&head.headers, &query)?;

    let limit = if action == actions::CALL_MCP_TOOL { app.limits.tool_body } else { app.limits.body };
    let taken = app.admission.body(body, limit, app.timeouts.body).await.map_err(Refusal::from)?;
    let params = query.with(Params::parse(&taken.bytes));

    let header = text_of(&head.headers, header::AUTHORIZATION.as_str());
    let admitted = auth::admit(app, trail, params.text("Authorization").or(header)).await;
    let (cx, _share) = admitted.map_err(|fault| note(trail, &fault, Subject::Other))?;
    let agent = text_of(&head.headers, header::USER_AGENT.as_str()).unwrap_or_default();
    actions::run(&actions::Call { app, trail, cx: &cx, params: &params, agent }, &action).await
}

/// Logs the chain of a failure and gives it this dialect's form.
fn note(trail: &Trail, fault: &Fault, subject: Subject) -> Refusal {
    trail.fault(fault);
    Refusal::from_fault(fault, subject)
}

fn action_of(headers: &HeaderMap, query: &Params) -> Result<String, Refusal> {
    text_of(headers, ACTION_HEADER).or_else(|| query.text("Action")).map(str::to_owned).ok_or_else(|| Refusal::missing("Action"))
}

fn check_version(headers: &HeaderMap, query: &Params) -> Result<(), Refusal> {
    let named = [query.text("Version"), text_of(headers, VERSION_HEADER)];
    match named.into_iter().flatten().find(|version| *version != VERSION) {
        Some(other) => Err(Refusal::version(other, VERSION)),
        None => Ok(()),
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
