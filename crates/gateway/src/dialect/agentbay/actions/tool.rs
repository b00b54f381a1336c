//! Actions about tools.

use super::Call;
use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::dialect::agentbay::tools::{self, Context};
use crate::dialect::agentbay::{encode, note, version};
use control::ToolCall;
use protocol::{ToolError, ToolErrorCode};
use serde_json::json;
use types::{ErrorCode, Fault, SandboxUser};

/// The image whose tools are listed when the client names none: SDKs mean this one.
const DEFAULT_IMAGE: &str = "linux_latest";

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let image = call.params.text("ImageId").unwrap_or(DEFAULT_IMAGE);
    let capabilities = call.ask_soon(Subject::Other, call.app.capabilities(image)).await?;
    Ok(Answer::data(encode::tool_list(&capabilities).into()))
}

/// `CallMcpTool`. `Server` and `AutoGenSession` say nothing that is not known: a tool's name names one tool.
pub(super) async fn call(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    let name = call.params.required("Name")?;
    let normal = tools::normalise(name, call.params.text("Args"))?;
    let view = call.ask_soon(Subject::Session, call.app.control.session(call.cx, &id)).await?;

    // File content is megabytes long: it is handed on, not kept.
    let (said, arguments) = (normal.without_content(), normal.arguments);
    let wanted = ToolCall { name: name.to_owned(), arguments, user: SandboxUser::default() };
    let work = async {
        match call.app.control.call_tool(call.cx, &id, wanted).await {
            Err(fault) if is_no_such_tool(name, &fault) => Ok(Err(ToolError::new(ToolErrorCode::UnknownTool, fault.message()))),
            ended => ended,
        }
    };
    // A command ends by its own limit; the engine gets time to say so.
    let limit = said.time_limit.unwrap_or_default() + call.app.timeouts.call;
    let outcome = call.ask(Subject::Session, limit, work).await?;
    let context = Context { form: version::shell_form(&view.client), request: call.trail.request(), call: &said };
    let text = tools::render(name, outcome, context).map_err(|error| {
        let fault = Fault::internal(&format!("reading the result of tool {name}"), error);
        note(call.trail, &fault, Subject::Session)
    })?;
    Ok(Answer::data(json!({ "content": [{ "type": "text", "text": text.text }], "isError": text.is_error })))
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
