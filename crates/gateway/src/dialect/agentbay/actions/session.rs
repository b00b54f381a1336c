//! Actions about sessions.

use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::{decode, encode, version, vpc};
use crate::dialect::vendor::values::LinkTarget;
use crate::dialect::vendor::{Call, Refusal, Subject};
use control::SessionView;
use serde_json::json;

pub(super) async fn create(call: &Call<'_>, agent: &str) -> Result<Answer, Refusal> {
    let mut request = decode::create_session(call.params, agent)?;
    if let Some(id) = decode::transfer_context(call.params)? {
        request.client.transfer_context = super::context::transfer_context(call, &id).await?;
    }
    if request.client.vpc {
        vpc::address(call.app).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    }
    let view = call.ask_soon(Subject::Other, call.app.control.create_session(call.cx, request)).await?;
    call.trail.session(&view.id);
    Ok(encoded(call, &view).await)
}

pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let view = call.view().await?;
    Ok(encoded(call, &view).await)
}

pub(super) async fn get_detail(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::session_detail(&call.view().await?)))
}

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = decode::list_sessions(call.params)?;
    let limit = request.limit;
    Ok(encode::page(call.list(request).await?, limit))
}

pub(super) async fn set_labels(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.set_labels(decode::new_labels(call.params)?).await?;
    Ok(Answer::empty())
}

pub(super) async fn get_labels(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(encode::labels(&call.view().await?))
}

pub(super) async fn release(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.release().await?;
    Ok(Answer::empty())
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.release_soon().await?;
    Ok(Answer::empty())
}

pub(super) async fn keep_alive(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.keep_alive().await?;
    Ok(Answer::empty())
}

pub(super) async fn resource(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::resource(call.app, call.cx, &call.view().await?)))
}

pub(super) async fn link(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (url, view) = call.link(LinkTarget::read(call.params, ["ProtocolType", "Port"])?).await?;
    Ok(Answer::data(if version::reads_bare_links(&view.client) { url.into() } else { json!({ "Url": url }) }))
}

async fn encoded(call: &Call<'_>, view: &SessionView) -> Answer {
    let mut data = encode::session(call.app, call.cx, view, call.tools_of(view).await);
    data["contexts"] = super::context::listed(call, view).await;
    Answer::data(data)
}
