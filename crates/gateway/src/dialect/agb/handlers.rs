//! What is behind the endpoints: each decodes, makes one call on the engine, and encodes.

use super::endpoints::{CREATE, Endpoint, State, TOOL_CALL};
use super::envelope::Answer;
use super::{contexts, decode, encode, version};
use crate::dialect::vendor::values::LinkTarget;
use crate::dialect::vendor::{Call, Refusal, Subject};
use crate::tool::{self, Patience};
use control::SessionView;
use serde_json::json;

/// Does what `endpoint` is for.
pub(super) async fn run(call: &Call<'_>, endpoint: &Endpoint) -> Result<Answer, Refusal> {
    if let State::Later(what) = endpoint.state {
        return Err(not_offered(call, endpoint.name, what).await);
    }
    match endpoint.name {
        CREATE => create(call).await,
        "mcp/getSession" => Ok(encoded(call, &call.view().await?).await),
        "mcp/getSessionInfo" => Ok(Answer::data(encode::status(&call.view().await?))),
        "mcp/releaseSession" => done(call.release().await),
        "mcp/releaseSessionAsync" => done(call.release_soon().await),
        "mcp/refreshSessionIdleTime" => done(call.keep_alive().await),
        "mcp/getMcpResource" => Ok(Answer::data(encode::resource(call.app, call.cx, &call.view().await?))),
        "sdk/ListSession" => list(call).await,
        "sdk/SetLabel" => done(call.set_labels(decode::new_labels(call.params)?).await),
        "sdk/GetLabel" => Ok(Answer::data(encode::labels(&call.view().await?))),
        TOOL_CALL => call_tool(call).await,
        "mcp/listTools" => Ok(Answer::data(call.tools(call.params.text("imageId")).await?.into())),
        "internet/getLink" | "mcp/getLink" => link(call).await,
        "sdk/GetContextInfo" => no_contexts(call).await,
        "sdk/ListContexts" => contexts::list(call).await,
        "sdk/GetContext" => contexts::get(call).await,
        "sdk/ModifyContext" => done(contexts::rename(call).await),
        "sdk/DeleteContext" => done(contexts::delete(call).await),
        "sdk/ClearContext" => done(contexts::clear(call).await),
        "sdk/GetContextFileUploadUrl" => contexts::upload_url(call).await,
        "sdk/GetContextFileDownloadUrl" => contexts::download_url(call).await,
        "sdk/DeleteContextFile" => done(contexts::delete_file(call).await),
        "sdk/DescribeContextFiles" => contexts::files(call).await,
        other => unreachable!("/{other} is in the table and has no handler"),
    }
}

async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = decode::create_session(call.params)?;
    let view = call.ask_soon(Subject::Other, call.app.control.create_session(call.cx, request)).await?;
    call.trail.session(&view.id);
    Ok(encoded(call, &view).await)
}

async fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = decode::list_sessions(call.params)?;
    let limit = request.limit;
    Ok(encode::page(call.list(request).await?, limit))
}

/// `/mcp`. Its client is kept listening, so that the call may take its time.
async fn call_tool(call: &Call<'_>) -> Result<Answer, Refusal> {
    let name = call.params.required("name")?;
    let args = tool::parse_object("args", call.params.text("args")).map_err(|fault| Refusal::from_fault(&fault, Subject::Other))?;
    let view = call.view().await?;
    let text = call.tool(&view, (name, args), version::form(&view.client), Patience::Long).await?;
    Ok(Answer::data(text.result()))
}

async fn link(call: &Call<'_>) -> Result<Answer, Refusal> {
    let (url, _) = call.link(LinkTarget::read(call.params, ["protocolType", "port"])?).await?;
    Ok(Answer::data(json!({ "url": url })))
}

/// `GetContextInfo`: nothing is synchronised yet, so nothing is under way.
async fn no_contexts(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.view().await?;
    Ok(Answer::data(json!({ "contextStatus": "[]" })))
}

/// Why an endpoint does nothing yet: who asks it of a session that is not there hears that first.
async fn not_offered(call: &Call<'_>, name: &str, what: &str) -> Refusal {
    let refusal = Refusal::not_offered(&format!("/{name}"), what);
    match call.params.text(call.session) {
        Some(_) => call.view().await.err().unwrap_or(refusal),
        None => refusal,
    }
}

async fn encoded(call: &Call<'_>, view: &SessionView) -> Answer {
    let tools = if version::knows_routes(&view.client) { call.tools_of(view).await } else { String::new() };
    Answer::data(encode::session(call.app, call.cx, view, tools))
}

fn done(ended: Result<(), Refusal>) -> Result<Answer, Refusal> {
    ended.map(|()| Answer::empty())
}
