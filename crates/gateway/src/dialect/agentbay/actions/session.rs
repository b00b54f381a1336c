//! Actions about sessions.

use super::Call;
use crate::dialect::agentbay::envelope::Answer;
use crate::dialect::agentbay::rescue::{Refusal, Subject};
use crate::dialect::agentbay::{decode, encode};
use crate::direct;
use crate::links;
use control::SessionView;
use serde_json::json;

pub(super) async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let mut request = decode::create_session(call.params, call.agent)?;
    if let Some(id) = decode::transfer_context(call.params)? {
        request.client.transfer_context = super::context::transfer_context(call, &id).await?;
    }
    if request.client.vpc {
        direct::vpc_address(call.app).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    }
    let view = call.ask_soon(Subject::Other, call.app.control.create_session(call.cx, request)).await?;
    call.trail.session(&view.id);
    Ok(encoded(call, &view).await)
}

pub(super) async fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let view = view(call).await?;
    Ok(encoded(call, &view).await)
}

pub(super) async fn get_detail(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::session_detail(&view(call).await?)))
}

pub(super) async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = decode::list_sessions(call.params)?;
    let limit = request.limit;
    let page = call.ask_soon(Subject::Other, call.app.control.list_sessions(call.cx, request)).await?;
    Ok(encode::page(page, limit))
}

pub(super) async fn set_labels(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    let labels = decode::new_labels(call.params)?;
    call.ask_soon(Subject::Session, call.app.control.set_labels(call.cx, &id, labels)).await?;
    Ok(Answer::empty())
}

pub(super) async fn get_labels(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(encode::labels(&view(call).await?))
}

pub(super) async fn release(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    call.ask_soon(Subject::Session, call.app.control.delete_session(call.cx, &id, true)).await?;
    Ok(Answer::empty())
}

/// `DeleteSessionAsync`. Who asks next hears that the session is not found, and SDKs tell their users then that it is
/// gone; so the answer waits for that to be true, unless it takes long.
pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    let gone = call.ask_soon(Subject::Session, call.app.control.delete_session(call.cx, &id, true));
    match tokio::time::timeout(call.app.timeouts.delete, gone).await {
        Ok(ended) => ended?,
        Err(_) => tracing::info!(request = %call.cx.request, session = %id, "the session is still being cleared away"),
    }
    Ok(Answer::empty())
}

pub(super) async fn keep_alive(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.session_id()?;
    call.ask_soon(Subject::Session, call.app.control.touch_session(call.cx, &id)).await?;
    Ok(Answer::empty())
}

pub(super) async fn resource(call: &Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::data(encode::resource(call.app, call.cx, &view(call).await?)))
}

pub(super) async fn link(call: &Call<'_>) -> Result<Answer, Refusal> {
    let target = decode::link(call.params)?;
    let view = view(call).await?;
    let grant = links::Grant::port(call.cx, &view, target.port, call.app.clock.now(), call.app.timeouts.link_life);
    let url = links::port_url(call.app, &grant, target.web_socket);
    // The one release that takes nothing else.
    Ok(Answer::data(if view.client.version == decode::FIRST_PYTHON { url.into() } else { json!({ "Url": url }) }))
}

pub(super) async fn view(call: &Call<'_>) -> Result<SessionView, Refusal> {
    let id = call.session_id()?;
    call.ask_soon(Subject::Session, call.app.control.session(call.cx, &id)).await
}

/// A session with the tools of its image. Without the list SDKs still work, so its failure does not fail the call.
async fn encoded(call: &Call<'_>, view: &SessionView) -> Answer {
    let tools = match call.app.capabilities(view.image.as_str()).await {
        Ok(capabilities) => encode::tool_list(&capabilities),
        Err(fault) => {
            call.trail.fault(&fault);
            String::new()
        }
    };
    let mut data = encode::session(call.app, call.cx, view, tools);
    data["contexts"] = super::context::listed(call, view).await;
    Answer::data(data)
}
