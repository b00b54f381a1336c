//! The AGB dialect: a path for each thing to do, parameters in the query and in a JSON body, a JSON envelope.
//!
//! | step | file |
//! |---|---|
//! | path and method → what is to be done, or why not | `endpoints`, `handlers`, `contexts` |
//! | parameters → a call | `decode` |
//! | a view of a session or context → `data` | `encode` |
//! | which fields and forms a version of the SDK knows | `version` |
//! | answer or failure → envelope | `envelope` |
//!
//! What it has in common with its sibling is in [`super::vendor`].
//!
//! Limits: a tool call's body may have 24 MiB, any other 1 MiB; over it the answer is 413. Clients give up after 60 s of
//! silence, so a tool call that lasts is answered with blanks first, and may last as long as it says.

mod contexts;
mod decode;
mod encode;
mod endpoints;
mod envelope;
mod handlers;
mod version;

pub(super) use version::{DIALECT, form};

use crate::app::App;
use crate::auth;
use crate::dialect::vendor::{Call, Refusal, Subject};
use crate::front::{Dialect, Manner};
use crate::limits::{self, Share};
use crate::request::Trail;
use axum::body::Body;
use control::OpContext;
use endpoints::{Endpoint, TOOL_CALL};
use envelope::Answer;
use http::request::Parts;
use http::{Request, Response, header};
use std::sync::Arc;
use types::Fault;

/// The dialect of AGB's SDK.
pub(crate) struct Agb;

/// Whether a path is of this dialect, known or not.
#[cfg(feature = "agentbay")]
pub(super) fn serves(path: &str) -> bool {
    let first = name_of(path).split('/').next().unwrap_or_default();
    ["mcp", "sdk", "internet", "browser"].contains(&first)
}

/// An endpoint's name: its path without the slashes it begins with. SDKs write several when their endpoint ends in one.
fn name_of(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl Dialect for Agb {
    const NAME: &'static str = "agb";

    fn manner(request: &Request<Body>) -> Manner {
        match name_of(request.uri().path()) {
            // The call goes on in the guest; nobody is left to hear of it.
            TOOL_CALL => Manner::KeptAlive,
            _ => Manner::ToItsEnd,
        }
    }

    async fn serve(app: Arc<App>, trail: Arc<Trail>, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match handle(&app, &trail, request).await {
            Ok(answer) => answer.into_response(trail.request()),
            Err(refusal) => envelope::failure(&trail, &refusal, name_of(&path)),
        }
    }

    fn rescue(fault: &Fault, trail: &Trail, path: &str) -> Response<Body> {
        envelope::failure(trail, &Refusal::from_fault(fault, Subject::Other), name_of(path))
    }
}

async fn handle(app: &App, trail: &Trail, request: Request<Body>) -> Result<Answer, Refusal> {
    let (head, mut body) = request.into_parts();
    trail.action(&format!("{} /{}", head.method, name_of(head.uri.path())));
    let (endpoint, cx, _share) = match admit(app, trail, &head).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            limits::discard(&mut body).await;
            return Err(refusal);
        }
    };
    let limit = if endpoint.name == TOOL_CALL { app.limits.tool_body } else { app.limits.body };
    let taken = app.admission.body(body, limit, app.timeouts.body).await.map_err(Refusal::from)?;
    let params = decode::params(&head.uri, &taken.bytes)?;
    handlers::run(&Call { app, trail, cx: &cx, params: &params, session: "sessionId" }, endpoint).await
}

/// Looks at what a request's head says: where it goes, and who asks.
async fn admit(app: &App, trail: &Trail, head: &Parts) -> Result<(&'static Endpoint, OpContext, Share), Refusal> {
    let endpoint = endpoints::find(&head.method, name_of(head.uri.path()))?;
    let bearer = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let admitted = auth::admit(app, trail, bearer).await;
    let (cx, share) = admitted.map_err(|fault| Refusal::noted(trail, &fault, Subject::Other))?;
    Ok((endpoint, cx, share))
}

#[cfg(test)]
mod tests;
