//! What the methods of one connection share.

use super::frame::{self, Invocation};
use super::outbox::{Gone, Outbox};
use super::terminal::Terminals;
use super::watch::Watches;
use crate::app::App;
use control::{OpContext, ToolCall};
use protocol::StreamOpen;
use runtime::PacketStream;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use types::{Fault, RequestId, SandboxUser, SessionId};

/// A client, its session, and what it has open there.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) app: Arc<App>,
    cx: OpContext,
    pub(super) session: SessionId,
    pub(super) outbox: Outbox,
    pub(super) terminals: Terminals,
    pub(super) watches: Watches,
}

impl Peer {
    pub(super) fn new(app: Arc<App>, cx: OpContext, session: SessionId, outbox: Outbox) -> Self {
        Self { app, cx, session, outbox, terminals: Terminals::default(), watches: Watches::default() }
    }

    /// The connection's own identity.
    pub(super) fn connection(&self) -> &OpContext {
        &self.cx
    }

    /// An identity for one invocation.
    pub(super) fn context(&self) -> OpContext {
        OpContext { identity: self.cx.identity.clone(), request: RequestId::generate(&*self.app.entropy) }
    }

    /// Whether the token still holds.
    pub(super) async fn check(&self) -> Result<(), Fault> {
        self.app.control.check_not_revoked(&self.cx.identity.tenant, &self.cx.identity.key).await
    }

    pub(super) async fn open(&self, cx: &OpContext, open: StreamOpen) -> Result<PacketStream, String> {
        self.app.control.open_packets(cx, &self.session, open).await.map_err(|fault| said(cx, &fault))
    }

    /// Calls a tool whose result has a type.
    pub(super) async fn tool<T: DeserializeOwned>(&self, name: &str, arguments: Value) -> Result<T, String> {
        let cx = self.context();
        let call = ToolCall { name: name.to_owned(), arguments, user: SandboxUser::default() };
        let limit = self.app.timeouts.call;
        let ended = tokio::time::timeout(limit, self.app.control.call_tool(&cx, &self.session, call)).await;
        let outcome = ended.map_err(|_| format!("{name} did not end within {} s", limit.as_secs()))?.map_err(|fault| said(&cx, &fault))?;
        let result = outcome.map_err(|error| error.message)?;
        serde_json::from_value(result).map_err(|error| said(&cx, &Fault::internal(&format!("reading the result of {name}"), error)))
    }

    /// Sends a message that nobody asked for.
    pub(super) async fn push(&self, source: &str, data: &Value) -> Result<(), Gone> {
        let id = RequestId::generate(&*self.app.entropy);
        self.outbox.send(frame::push(id.as_str(), source, data)).await
    }

    /// Answers a call that has one answer.
    pub(super) async fn answer(&self, call: &Invocation, result: Result<Value, String>) -> Result<(), Gone> {
        let text = match result {
            Ok(result) => call.result(result),
            Err(message) => call.failure(&message),
        };
        self.outbox.send(text).await
    }
}

/// A fault in words for the client; the log gets its whole chain.
fn said(cx: &OpContext, fault: &Fault) -> String {
    tracing::debug!(request = %cx.request, chain = %fault.chain(), "invocation failed");
    fault.message().to_owned()
}
