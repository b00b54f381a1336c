//! Tool calls as foreign SDKs spell and read them. Both vendors' SDKs know the same tools, on every route: the RPC action,
//! the direct route, the streams; what they share is here, once.
//!
//! The guest knows nothing of SDKs: spellings of arguments are brought to the protocol's in [`arguments`], and structured
//! results become the texts that SDKs parse or show in [`render`]. Which of two forms a client reads is its dialect's
//! to say, as a [`Form`].

mod arguments;
mod render;

pub(crate) use arguments::parse_object;
pub(crate) use render::ToolText;

use crate::app::App;
use crate::request::Trail;
use control::{OpContext, ToolCall};
use protocol::{ToolError, ToolErrorCode};
use render::Context;
use serde_json::{Map, Value};
use std::time::Duration;
use types::{ErrorCode, Fault, SandboxUser, SessionId};

/// The form of the results that grew from bare text to JSON: commands and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON with stdout, stderr, exit code and the like.
    Wrapped,
    /// The bare output; failures as a sentence.
    Plain,
}

/// Calls tool `name` of a session that has just been seen, and tells its result as the client reads it.
///
/// A failure of the tool, an unknown tool among them, is a text with `is_error`; a fault means that there is no answer.
pub(crate) async fn call(
    app: &App,
    trail: &Trail,
    cx: &OpContext,
    id: &SessionId,
    (name, args): (&str, Map<String, Value>),
    form: Form,
) -> Result<ToolText, Fault> {
    call_within(app, trail, cx, id, (name, args), form, app.timeouts.call).await
}

/// As [`call`], on a route whose clients wait `patience` for any answer, and for that of a command so much longer than its
/// own limit.
pub(crate) async fn call_within(
    app: &App,
    trail: &Trail,
    cx: &OpContext,
    id: &SessionId,
    (name, args): (&str, Map<String, Value>),
    form: Form,
    patience: Duration,
) -> Result<ToolText, Fault> {
    let normal = arguments::normalise(name, args);
    // File content is megabytes long: it is handed on, not kept.
    let (said, arguments) = (normal.without_content(), normal.arguments);
    let wanted = ToolCall { name: name.to_owned(), arguments, user: SandboxUser::default() };
    // A command ends by its own limit; the engine gets time to say so.
    let limit = said.time_limit.unwrap_or_default() + patience;
    let ended = tokio::time::timeout(limit, app.control.call_tool(cx, id, wanted)).await.unwrap_or_else(|_| {
        let message = format!("the server did not get it done within {} s; ask for the state before trying again", limit.as_secs());
        Err(Fault::new(ErrorCode::DeadlineExceeded, message))
    });
    let outcome = match ended {
        Err(fault) if is_no_such_tool(name, &fault) => Err(ToolError::new(ToolErrorCode::UnknownTool, fault.message())),
        ended => ended?,
    };
    render::render(name, outcome, Context { form, request: trail.request(), call: &said })
        .map_err(|error| Fault::internal(&format!("reading the result of tool {name}"), error))
}

/// Whether a refusal is about the tool. The session has just been seen, and SDKs take a "not found" that is no tool
/// failure for the end of the session.
fn is_no_such_tool(name: &str, fault: &Fault) -> bool {
    match fault.code() {
        ErrorCode::Unimplemented => true,
        ErrorCode::NotFound => protocol::tools::find(name).is_none(),
        _ => false,
    }
}
