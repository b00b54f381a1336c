//! Actions about tools.

use super::Call;
use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::dialect::agentbay::{encode, note, version};
use crate::tool;
use serde_json::json;

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
    let args = tool::parse_object("Args", call.params.text("Args")).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    let view = call.ask_soon(Subject::Session, call.app.control.session(call.cx, &id)).await?;
    let called = tool::call(call.app, call.trail, call.cx, &id, (name, args), version::form(&view.client)).await;
    let text = called.map_err(|fault| note(call.trail, &fault, Subject::Session))?;
    Ok(Answer::data(json!({ "content": [{ "type": "text", "text": text.text }], "isError": text.is_error })))
}
