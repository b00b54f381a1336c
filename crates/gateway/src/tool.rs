//! Tool calls as foreign SDKs spell and read them. Both vendors' SDKs know the same tools, on every route: the RPC action,
//! the direct route, the streams; what they share is here, once.
//!
//! The guest knows nothing of SDKs: spellings of arguments are brought to the protocol's in [`arguments`], and structured
//! results become the texts that SDKs parse or show in [`render`]; what a tool needs that a session lacks is in
//! [`catalog`]. Which of two forms a client reads is its dialect's to say, as a [`Form`].

mod arguments;
mod catalog;
mod render;

pub(crate) use arguments::parse_object;
pub(crate) use render::ToolText;

use crate::app::App;
use crate::request::Trail;
use control::{OpContext, ToolCall};
use protocol::{ToolError, ToolErrorCode};
use render::Context;
use serde_json::{Map, Value};
use types::{ErrorCode, Fault, SandboxUser, SessionId};

/// The form of the results that grew from bare text to JSON: commands and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON with stdout, stderr, exit code and the like.
    Wrapped,
    /// The bare output; failures as a sentence.
    Plain,
}

/// How long the client of a call waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A minute: 60 s without an answer, and it gives up.
    Minute,
    /// Longer than any usual call takes: 900 s, or for as long as it sees that the server is there.
    Long,
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
    patience: Patience,
) -> Result<ToolText, Fault> {
    let normal = arguments::normalise(name, args, patience);
    // File content is megabytes long: it is handed on, not kept.
    let (said, arguments) = (normal.without_content(), normal.arguments);
    let wanted = ToolCall { name: name.to_owned(), arguments, user: SandboxUser::default() };
    // A command ends by its own limit; the engine gets time to say so.
    let beyond = match patience {
        Patience::Minute => app.timeouts.call,
        Patience::Long => app.timeouts.direct,
    };
    let limit = said.time_limit.unwrap_or_default() + beyond;
    let ended = tokio::time::timeout(limit, app.control.call_tool(cx, id, wanted)).await.unwrap_or_else(|_| {
        let message = format!("the server did not get it done within {} s; ask for the state before trying again", limit.as_secs());
        Err(Fault::new(ErrorCode::DeadlineExceeded, message))
    });
    let outcome = match ended {
        Err(fault) if is_no_such_tool(name, &fault) => Err(no_such_tool(name, &fault)),
        ended => ended?,
    };
    let context = Context { form, request: trail.request(), call: &said, now: app.clock.now() };
    render::render(name, outcome, context).map_err(|error| Fault::internal(&format!("reading the result of tool {name}"), error))
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

/// Says what would have the tool, where that is known.
fn no_such_tool(name: &str, fault: &Fault) -> ToolError {
    let said = fault.message();
    let message = catalog::need(name).map_or_else(|| said.to_owned(), |need| format!("{name} needs {need}; {said}"));
    ToolError::new(ToolErrorCode::UnknownTool, message)
}
