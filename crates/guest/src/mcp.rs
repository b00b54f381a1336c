//! One MCP conversation: lists the tools, and hands calls to the registry that owns them.

use crate::calls::Calls;
use crate::tools::Tools;
use protocol::{CALL_META_KEY, CallMeta, MAX_MESSAGE_BYTES, ToolOutcome};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelledNotificationParam, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, RequestId, RequestMetaObject, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, RxJsonRpcMessage, TxJsonRpcMessage, serve_server};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use types::{CallId, SandboxUser};

/// How long a client may take from its stream head to the end of MCP's handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);
/// Longest text block beside the structured result, bytes.
const MAX_TEXT: usize = 4096;

/// Serves one conversation until its connection ends. Its calls live on.
pub(crate) async fn serve(stream: UnixStream, calls: Calls, tools: Arc<Tools>) {
    let gone = CancellationToken::new();
    let (reader, writer) = stream.into_split();
    let inner = AsyncRwTransport::new_server(reader, writer).with_max_line_length(MAX_MESSAGE_BYTES);
    let conversation = Conversation { calls, tools, gone: gone.clone(), requests: Mutex::default() };
    let handshake = serve_server(conversation, Noticing { inner, gone });
    // A client that does not keep to the handshake gets its error from the library and loses the connection.
    if let Ok(Ok(running)) = tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await {
        let _ = running.waiting().await;
    }
}

/// The connection, which tells everybody as soon as the other side has gone.
struct Noticing<T> {
    inner: T,
    gone: CancellationToken,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Noticing<T> {
    type Error = T::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.inner.receive().await;
        if message.is_none() {
            self.gone.cancel();
        }
        message
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

struct Conversation {
    calls: Calls,
    tools: Arc<Tools>,
    gone: CancellationToken,
    /// Which call each open request waits for, so that MCP's cancellation, which names the request, finds it. The
    /// library's own token would not do: it is also cancelled when the connection is lost.
    requests: Mutex<HashMap<RequestId, CallId>>,
}

impl ServerHandler for Conversation {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("roadstead-guest", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        let tool = |spec: &protocol::tools::ToolSpec| match spec.input_schema() {
            Value::Object(schema) => Some(Tool::new(spec.name, spec.description, Arc::new(schema))),
            _ => None,
        };
        Ok(ListToolsResult::with_all_items(self.tools.available().filter_map(tool).collect()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let call = call_meta(&context.meta)?;
        let _open = OpenRequest::new(&self.requests, context.id, call.id.clone());
        let outcome = self.calls.outcome(&call.id, |cancel| {
            let (tools, call) = (self.tools.clone(), call.clone());
            let arguments = Value::Object(request.arguments.unwrap_or_default());
            async move { tools.run(&call, &request.name, arguments, cancel).await }
        });
        tokio::select! {
            outcome = outcome => Ok(result(outcome).into()),
            // Nobody can be answered any more; the call goes on.
            () = self.gone.cancelled() => Err(ErrorData::internal_error("the connection was lost", None)),
        }
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, _: NotificationContext<RoleServer>) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = notification.request_id.and_then(|id| requests.get(&id).cloned()) {
            self.calls.cancel(&call);
        }
    }
}

/// A request that waits for its call; forgotten when dropped.
struct OpenRequest<'a> {
    requests: &'a Mutex<HashMap<RequestId, CallId>>,
    id: RequestId,
}

impl<'a> OpenRequest<'a> {
    fn new(requests: &'a Mutex<HashMap<RequestId, CallId>>, id: RequestId, call: CallId) -> Self {
        requests.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), call);
        Self { requests, id }
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What the host says about the call; a foreign client says nothing and gets a fresh id.
fn call_meta(meta: &RequestMetaObject) -> Result<CallMeta, ErrorData> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let meta = match meta.0.0.get(CALL_META_KEY) {
        Some(meta) => serde_json::from_value(meta.clone()),
        None => {
            // Unique in this guest is enough: the id is only for the guest's own tables.
            let id = format!("call-here-{}", NEXT.fetch_add(1, Ordering::Relaxed));
            serde_json::from_value(json!({ "id": id, "user": SandboxUser::default() }))
        }
    };
    meta.map_err(|error| ErrorData::invalid_params(format!("_meta[{CALL_META_KEY:?}] cannot be used: {error}"), None))
}

fn result(outcome: Arc<ToolOutcome>) -> CallToolResult {
    // Cloned only if the registry keeps it, which it does not for the largest.
    let outcome = Arc::try_unwrap(outcome).unwrap_or_else(|shared| (*shared).clone());
    let (mut result, value) = match outcome {
        Ok(value) => (CallToolResult::success(vec![ContentBlock::text(short_text(&value))]), value),
        Err(error) => (CallToolResult::error(vec![ContentBlock::text(error.message.clone())]), json!({ "error": error })),
    };
    result.structured_content = Some(value);
    result
}

/// The result as JSON text, for clients that show only text; cut when long, as the whole stands beside it.
fn short_text(value: &Value) -> String {
    let mut text = Bounded(Vec::with_capacity(256));
    let whole = serde_json::to_writer(&mut text, value).is_ok();
    let text = String::from_utf8_lossy(&text.0);
    if whole {
        text.into_owned()
    } else {
        format!("{} … (cut; the whole result is in structuredContent)", text.trim_end_matches('\u{fffd}'))
    }
}

/// Takes [`MAX_TEXT`] bytes and then refuses.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(MAX_TEXT - self.0.len());
        self.0.extend_from_slice(&bytes[..count]);
        if count == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_block_is_whole_or_says_that_it_was_cut() {
        assert_eq!(short_text(&json!({"a": 1})), r#"{"a":1}"#);
        let long = short_text(&json!("é".repeat(10_000)));
        assert!(long.len() < MAX_TEXT + 100 && long.ends_with("structuredContent)"), "{}", long.len());
    }

    #[test]
    fn a_foreign_client_gets_fresh_ids_and_nonsense_is_refused() {
        let none = RequestMetaObject::default();
        let (a, b) = (call_meta(&none).unwrap(), call_meta(&none).unwrap());
        assert_ne!(a.id, b.id);
        assert_eq!(a.user, SandboxUser::Wuying);
        let mut bad = RequestMetaObject::default();
        bad.0.0.insert(CALL_META_KEY.into(), json!({"id": "../x"}));
        assert!(call_meta(&bad).is_err());
    }
}
