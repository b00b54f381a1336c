//! Actions about tools.

use super::{Call, session};
use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::dialect::agentbay::{decode, encode, note, version};
use crate::tool::{self, Route};
use control::SessionView;
use serde_json::json;

/// The image whose tools are listed when the client names none: SDKs mean this one.
const DEFAULT_IMAGE: &str = "linux_latest";

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let image = call.params.text("ImageId").unwrap_or(DEFAULT_IMAGE);
    let image = call.ask_soon(Subject::Other, call.app.control.image(image)).await?;
    Ok(Answer::data(encode::tool_list(&image.capabilities).into()))
}

/// `CallMcpTool`. `Server` says nothing that is not known: a tool's name names one tool.
pub(super) async fn call(call: &Call<'_>) -> Result<Answer, Refusal> {
    let name = call.params.required("Name")?;
    let args = tool::parse_object("Args", call.params.text("Args")).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    let view = if call.params.flag("AutoGenSession")? { auto_session(call).await? } else { session::view(call).await? };
    let form = version::form(&view.client);
    let called = tool::call(call.app, call.trail, call.cx, &view.id, (name, args), form, Route::Rpc).await;
    let text = called.map_err(|fault| note(call.trail, &fault, Subject::Session))?;
    Ok(Answer::data(json!({ "content": [{ "type": "text", "text": text.text }], "isError": text.is_error })))
}

/// The session that the request names, which is made when it is not there and is then found under the same name for as
/// long as it lives. A foreign session is not there either, and stays its tenant's.
async fn auto_session(call: &Call<'_>) -> Result<SessionView, Refusal> {
    let name = call.params.text("SessionId").unwrap_or_default();
    if let Ok(id) = name.parse()
        && call.app.control.is_live(call.cx, &id)
    {
        return session::view(call).await;
    }
    let request = decode::auto_session(call.params);
    let view = call.ask_soon(Subject::Other, call.app.control.find_or_create_session(call.cx, name, &request)).await?;
    call.trail.session(&view.id);
    Ok(view)
}
