//! Actions about tools.

use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::{decode, version};
use crate::dialect::vendor::{Call, Refusal, Subject};
use crate::tool::{self, Patience};
use control::SessionView;
use types::Fault;

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(call.tools(call.params.text("ImageId")).await?.into()))
}

/// `CallMcpTool`. `Server` says nothing that is not known: a tool's name names one tool.
pub(super) async fn call(call: &Call<'_>) -> Result<Answer, Refusal> {
    let name = call.params.required("Name")?;
    let args = tool::parse_object("Args", call.params.text("Args")).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    let view = if call.params.flag("AutoGenSession")? { auto_session(call).await? } else { call.view().await? };
    let text = call.tool(&view, (name, args), version::form(&view.client), Patience::Minute).await?;
    Ok(Answer::data(text.result()))
}

/// The session that the request names, which is made when it is not there and is then found under the same name for as
/// long as it lives. A foreign session is not there either, and stays its tenant's.
async fn auto_session(call: &Call<'_>) -> Result<SessionView, Refusal> {
    let name = call.params.text("SessionId").unwrap_or_default();
    if let Ok(id) = name.parse()
        && call.app.control.is_live(call.cx, &id)
    {
        return call.view().await;
    }
    let (control, cx, name) = (call.app.control.clone(), call.cx.clone(), name.to_owned());
    let request = decode::auto_session(call.params);
    // A task of its own: the call ends with its client, the session that was begun for it does not.
    let made = call.app.work.spawn(async move { control.find_or_create_session(&cx, &name, &request).await });
    let made = async { made.await.unwrap_or_else(|error| Err(Fault::internal("making a session", error))) };
    let view = call.ask_soon(Subject::Other, made).await?;
    call.trail.session(&view.id);
    Ok(view)
}
