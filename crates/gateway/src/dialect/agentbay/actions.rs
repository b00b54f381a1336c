//! The actions: each decodes, makes one call on the engine, and encodes.

pub(super) mod context;
mod session;
mod table;
mod tool;

use super::envelope::Answer;
use crate::dialect::vendor::{Call, Refusal};

/// The one action that carries file content.
pub(super) const CALL_MCP_TOOL: &str = "CallMcpTool";

/// Runs the action called `name`; `agent` is what the client's HTTP library says of itself.
pub(super) async fn run(call: &Call<'_>, name: &str, agent: &str) -> Result<Answer, Refusal> {
    match name {
        "CreateMcpSession" => session::create(call, agent).await,
        "GetSession" => session::get(call).await,
        "GetSessionDetail" => session::get_detail(call).await,
        "ListSession" => session::list(call).await,
        "SetLabel" => session::set_labels(call).await,
        "GetLabel" => session::get_labels(call).await,
        "ReleaseMcpSession" => session::release(call).await,
        "DeleteSessionAsync" => session::delete(call).await,
        "RefreshSessionIdleTime" => session::keep_alive(call).await,
        "GetMcpResource" => session::resource(call).await,
        "GetLink" => session::link(call).await,
        "GetContext" => context::get(call).await,
        "ListContexts" => context::list(call).await,
        "ModifyContext" => context::rename(call).await,
        "DeleteContext" => context::delete(call).await,
        "ClearContext" => context::clear(call).await,
        "DescribeContextFiles" => context::files(call).await,
        "GetContextFileUploadUrl" => context::upload_url(call).await,
        "GetContextFileDownloadUrl" => context::download_url(call).await,
        "DeleteContextFile" => context::delete_file(call).await,
        "GetContextInfo" => context::status(call).await,
        "ListMcpTools" => tool::list(call).await,
        CALL_MCP_TOOL => tool::call(call).await,
        other => Err(not_offered(call, other).await),
    }
}

/// Why an action is not carried out: who asks it of a session that is not there hears that first.
async fn not_offered(call: &Call<'_>, name: &str) -> Refusal {
    let refusal = table::refusal(name);
    if table::find(name).is_none() || call.params.text("SessionId").is_none() {
        return refusal;
    }
    call.view().await.err().unwrap_or(refusal)
}
