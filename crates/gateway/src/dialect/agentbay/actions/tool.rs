//! Actions about tools.

use super::Call;
use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::dialect::agentbay::tools::{self, Context};
use crate::dialect::agentbay::version::{self, ShellForm};
use crate::dialect::agentbay::{encode, note};
use control::ToolCall;
use protocol::tools::shell::SHELL;
use serde_json::json;
use types::{Fault, SandboxUser};

/// The image whose tools are listed when the client names none: SDKs mean this one.
const DEFAULT_IMAGE: &str = "linux_latest";

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let image = call.params.text("ImageId").unwrap_or(DEFAULT_IMAGE);
    let capabilities = call.ask_soon(Subject::Image, call.app.capabilities(image)).await?;
    Ok(Answer::data(encode::tool_list(&capabilities).into()))
}

/// `CallMcpTool`. `Server` and `AutoGenSession` say nothing that is not known: a tool's name names one tool.
pub(super) async fn call(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    let name = call.params.required("Name")?;
    let normal = tools::normalise(name, call.params.text("Args"))?;
    let form = match name {
        SHELL => version::shell_form(&call.ask_soon(Subject::Session, call.app.control.session(call.cx, &id)).await?.client),
        _ => ShellForm::Wrapped,
    };

    let wanted = ToolCall { name: name.to_owned(), arguments: normal.arguments.clone(), user: SandboxUser::default() };
    // A command ends by its own limit; the engine gets time to say so.
    let limit = normal.time_limit.unwrap_or_default() + call.app.timeouts.call;
    let outcome = call.ask(Subject::Session, limit, call.app.control.call_tool(call.cx, &id, wanted)).await?;
    let text = tools::render(name, outcome, Context { form, request: call.trail.request(), call: &normal })
        .map_err(|error| note(call.trail, &Fault::internal(&format!("reading the result of tool {name}"), error), Subject::Session))?;
    Ok(Answer::data(json!({ "content": [{ "type": "text", "text": text.text }], "isError": text.is_error })))
}
