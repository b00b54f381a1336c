//! An admitted request, and what both dialects ask of the engine in the same way.

use super::params::Params;
use super::refusal::{Refusal, Subject};
use super::session::tool_list;
use super::values::LinkTarget;
use crate::app::App;
use crate::links;
use crate::request::Trail;
use crate::tool::{self, Form, Patience, ToolText};
use control::{ListSessions, OpContext, SessionPage, SessionView};
use serde_json::{Map, Value};
use std::time::Duration;
use types::{ErrorCode, Fault, Labels, SessionId};

/// The image whose tools are listed when the client names none: SDKs mean this one.
const DEFAULT_IMAGE: &str = "linux_latest";

/// An admitted request.
pub(in crate::dialect) struct Call<'a> {
    pub(in crate::dialect) app: &'a App,
    pub(in crate::dialect) trail: &'a Trail,
    pub(in crate::dialect) cx: &'a OpContext,
    pub(in crate::dialect) params: &'a Params,
    /// The parameter that names a session.
    pub(in crate::dialect) session: &'static str,
}

impl Call<'_> {
    /// The session that the request names, which must live.
    pub(in crate::dialect) async fn view(&self) -> Result<SessionView, Refusal> {
        let id = self.session_id()?;
        self.ask_soon(Subject::Session, self.app.control.session(self.cx, &id)).await
    }

    pub(in crate::dialect) async fn list(&self, request: ListSessions) -> Result<SessionPage, Refusal> {
        self.ask_soon(Subject::Other, self.app.control.list_sessions(self.cx, request)).await
    }

    pub(in crate::dialect) async fn set_labels(&self, labels: Labels) -> Result<(), Refusal> {
        let id = self.session_id()?;
        self.ask_soon(Subject::Session, self.app.control.set_labels(self.cx, &id, labels)).await
    }

    pub(in crate::dialect) async fn keep_alive(&self) -> Result<(), Refusal> {
        let id = self.session_id()?;
        self.ask_soon(Subject::Session, self.app.control.touch_session(self.cx, &id)).await
    }

    /// Ends the session; done when nothing of it is left.
    pub(in crate::dialect) async fn release(&self) -> Result<(), Refusal> {
        let id = self.session_id()?;
        self.ask_soon(Subject::Session, self.app.control.delete_session(self.cx, &id, true)).await
    }

    /// Ends the session. Who asks next hears that it is not found, and SDKs tell their users then that it is gone; so this
    /// waits for that to be true, unless it takes long.
    pub(in crate::dialect) async fn release_soon(&self) -> Result<(), Refusal> {
        let id = self.session_id()?;
        let gone = self.ask_soon(Subject::Session, self.app.control.delete_session(self.cx, &id, true));
        tokio::time::timeout(self.app.timeouts.delete, gone).await.unwrap_or_else(|_| {
            tracing::info!(request = %self.cx.request, session = %id, "the session is still being cleared away");
            Ok(())
        })
    }

    /// A link to a port of the session, and the session.
    pub(in crate::dialect) async fn link(&self, target: LinkTarget) -> Result<(String, SessionView), Refusal> {
        let view = self.view().await?;
        let grant = links::Grant::port(self.cx, &view, target.port, self.app.clock.now(), self.app.timeouts.link_life);
        Ok((links::port_url(self.app, &grant, target.web_socket), view))
    }

    /// The tools of an image, as JSON text.
    pub(in crate::dialect) async fn tools(&self, image: Option<&str>) -> Result<String, Refusal> {
        let capabilities = self.ask_soon(Subject::Other, self.app.capabilities(image.unwrap_or(DEFAULT_IMAGE))).await?;
        Ok(tool_list(&capabilities))
    }

    /// The tools of a session. Without the list SDKs still work, so its failure fails nothing.
    pub(in crate::dialect) async fn tools_of(&self, view: &SessionView) -> String {
        match self.app.capabilities(view.image.as_str()).await {
            Ok(capabilities) => tool_list(&capabilities),
            Err(fault) => {
                self.trail.fault(&fault);
                String::new()
            }
        }
    }

    /// Calls a tool of a session that has just been seen.
    pub(in crate::dialect) async fn tool(
        &self,
        view: &SessionView,
        call: (&str, Map<String, Value>),
        form: Form,
        patience: Patience,
    ) -> Result<ToolText, Refusal> {
        let called = tool::call(self.app, self.trail, self.cx, &view.id, call, form, patience).await;
        called.map_err(|fault| Refusal::noted(self.trail, &fault, Subject::Session))
    }

    /// The session that the request names, by its id or by the name under which a tool call made it; noted for the log.
    fn session_id(&self) -> Result<SessionId, Refusal> {
        let text = self.params.required(self.session)?;
        let id = match text.parse() {
            Ok(id) if self.app.control.is_live(self.cx, &id) => Ok(id),
            parsed => self.app.control.session_called(self.cx, text).map_or(parsed, Ok),
        };
        let id = id.map_err(|_| Refusal::no_session(text))?;
        self.trail.session(&id);
        Ok(id)
    }

    /// Waits for the engine as long as any ordinary call may last; its failures become the vendors', with the chain in
    /// the log.
    pub(in crate::dialect) async fn ask_soon<T>(
        &self,
        subject: Subject,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Refusal> {
        let limit: Duration = self.app.timeouts.call;
        let ended = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("the server did not get it done within {} s; ask for the state before trying again", limit.as_secs());
            Err(Fault::new(ErrorCode::DeadlineExceeded, message))
        });
        ended.map_err(|fault| Refusal::noted(self.trail, &fault, subject))
    }
}
