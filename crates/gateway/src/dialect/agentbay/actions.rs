//! The actions: each decodes, makes one call on the engine, and encodes.

pub(super) mod context;
mod session;
mod table;
mod tool;

use super::envelope::Answer;
use super::note;
use super::params::Params;
use super::rescue::{Refusal, Subject};
use crate::app::App;
use crate::request::Trail;
use control::OpContext;
use types::{ErrorCode, Fault, SessionId};

/// The one action that carries file content.
pub(super) const CALL_MCP_TOOL: &str = "CallMcpTool";

/// An admitted request.
pub(super) struct Call<'a> {
    pub(super) app: &'a App,
    pub(super) trail: &'a Trail,
    pub(super) cx: &'a OpContext,
    pub(super) params: &'a Params,
    /// What the client's HTTP library says of itself.
    pub(super) agent: &'a str,
}

/// Runs the action called `name`.
pub(super) async fn run(call: &Call<'_>, name: &str) -> Result<Answer, Refusal> {
    match name {
        "CreateMcpSession" => session::create(call).await,
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
    session::view(call).await.err().unwrap_or(refusal)
}

impl Call<'_> {
    /// The session that the request names, by its id or by the name under which a tool call made it; noted for the log.
    fn session_id(&self) -> Result<SessionId, Refusal> {
        let text = self.params.required("SessionId")?;
        let id = match text.parse() {
            Ok(id) if self.app.control.is_live(self.cx, &id) => Ok(id),
            parsed => self.app.control.session_called(self.cx, text).map_or(parsed, Ok),
        };
        let id = id.map_err(|_| Refusal::no_session(text))?;
        self.trail.session(&id);
        Ok(id)
    }

    /// Waits for the engine, at most `limit`; its failures become this dialect's, with the chain in the log.
    async fn ask<T>(
        &self,
        subject: Subject,
        limit: std::time::Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Refusal> {
        let ended = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("the server did not get it done within {} s; ask for the state before trying again", limit.as_secs());
            Err(Fault::new(ErrorCode::DeadlineExceeded, message))
        });
        ended.map_err(|fault| note(self.trail, &fault, subject))
    }

    /// Waits for the engine as long as any ordinary call may last.
    async fn ask_soon<T>(&self, subject: Subject, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Refusal> {
        self.ask(subject, self.app.timeouts.call, work).await
    }
}
