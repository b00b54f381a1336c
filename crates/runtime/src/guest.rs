//! One guest's MCP conversation, shared by all calls to it.

use crate::{ByteStream, Runtime, RuntimeError};
use futures::future::BoxFuture;
use protocol::{
    CALL_META_KEY, CallMeta, GENERATION, MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES, StreamOpen, ToolError, ToolErrorCode, ToolOutcome,
    json_length,
};
use rmcp::model::{CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, JsonObject, RequestMetaObject, ServerResult};
use rmcp::service::{ClientInitializeError, PeerRequestOptions, RoleClient, RunningService, ServiceError, ServiceExt};
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use types::SandboxId;

/// How often a call is asked for in all when its connection breaks each time.
const MAX_TRIES: usize = 4;
/// How long a guest may take for MCP's opening, which costs it nothing: one that is stuck must not keep its session's calls
/// waiting, and the session alive, for ever.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection that has carried this much in one message is replaced: the buffers at both its ends have grown with it
/// and would otherwise stay as large for the life of the sandbox.
const LARGE_BYTES: usize = 1 << 20;

/// A guest as its host sees it: tools can be called, the connection is made when first needed and again when lost.
#[derive(Debug)]
pub struct Guest {
    runtime: Arc<dyn Runtime>,
    sandbox: SandboxId,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    handshake_limit: Duration,
}

type Link = RunningService<RoleClient, ()>;

impl Guest {
    /// A guest that is not yet connected.
    pub fn new(runtime: Arc<dyn Runtime>, sandbox: SandboxId) -> Self {
        Self { runtime, sandbox, link: tokio::sync::Mutex::new(None), handshake_limit: HANDSHAKE }
    }

    /// Calls a tool and waits for its end, however long that takes: the time limit is the tool's own argument. A lost
    /// connection is made anew and the call, which goes on in the guest, is joined again by its id.
    ///
    /// Dropping the future leaves the call running; its result can be asked for again with the same `call`.
    ///
    /// # Errors
    /// [`RuntimeError::NoSandbox`] when the sandbox has ended, and what else [`Runtime::open_stream`] answers;
    /// [`RuntimeError::Io`] when the connection broke again and again.
    pub async fn call_tool(&self, call: &CallMeta, name: &str, arguments: Value) -> Result<ToolOutcome, RuntimeError> {
        let request = match Request::new(call, name, arguments) {
            Ok(request) => request,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut lost = ServiceError::TransportClosed;
        for _ in 0..MAX_TRIES {
            let link = match self.link().await {
                Ok(link) => link,
                // Who is silent once is not asked again: that would be three more waits.
                Err(Unlinked::Handshake(error @ ServiceError::Timeout { .. })) => return Err(self.io("connecting to the guest", error)),
                Err(Unlinked::Handshake(error)) => {
                    lost = error;
                    continue;
                }
                Err(Unlinked::Unreachable(error)) => return Err(error),
            };
            match request.send(link.clone()).await {
                Ok(result) => {
                    let outcome = outcome_of(result);
                    if request.bytes.max(outcome.as_ref().map_or(0, json_length)) >= LARGE_BYTES {
                        self.retire(link).await;
                    }
                    return Ok(outcome);
                }
                Err(error @ (ServiceError::TransportClosed | ServiceError::TransportSend(_))) => {
                    self.retire(link).await;
                    lost = error;
                }
                Err(error) => return Err(self.io("calling a tool", error)),
            }
        }
        Err(self.io("calling a tool; its connection broke each time", lost))
    }

    /// The shared connection, made now if there is none.
    async fn link(&self) -> Result<Arc<Link>, Unlinked> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.is_transport_closed()) {
            return Ok(link.clone());
        }
        let open = StreamOpen::Mcp { generation: GENERATION };
        let stream = self.runtime.open_stream(&self.sandbox, &open).await.map_err(Unlinked::Unreachable)?;
        let service = tokio::time::timeout(self.handshake_limit, handshake(stream)).await.map_err(|_| {
            tracing::warn!(sandbox = %self.sandbox, limit = ?self.handshake_limit, "the guest did not answer the handshake");
            Unlinked::Handshake(ServiceError::Timeout { timeout: self.handshake_limit })
        })?;
        let service = service.map_err(|error| {
            tracing::debug!(sandbox = %self.sandbox, %error, "the guest broke off the handshake");
            Unlinked::Handshake(ServiceError::TransportClosed)
        })?;
        let new = Arc::new(service);
        *link = Some(new.clone());
        Ok(new)
    }

    /// New calls get another connection; this one closes when its last call has ended.
    async fn retire(&self, link: Arc<Link>) {
        let mut current = self.link.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &link)) {
            *current = None;
        }
    }

    fn io(&self, doing: &'static str, error: ServiceError) -> RuntimeError {
        RuntimeError::Io { id: self.sandbox.clone(), doing, source: io::Error::other(error) }
    }
}

/// MCP's own opening. Boxed for the reason given at [`Request::send`].
fn handshake(stream: ByteStream) -> BoxFuture<'static, Result<Link, ClientInitializeError>> {
    Box::pin(async move {
        let (reader, writer) = tokio::io::split(stream);
        ().serve(AsyncRwTransport::new_client(reader, writer).with_max_line_length(MAX_MESSAGE_BYTES)).await
    })
}

/// Why there is no connection.
enum Unlinked {
    /// It broke in MCP's handshake; another may not.
    Handshake(ServiceError),
    /// The back end has none to give.
    Unreachable(RuntimeError),
}

/// A `tools/call` that can be sent any number of times.
struct Request {
    params: CallToolRequestParams,
    meta: RequestMetaObject,
    bytes: usize,
}

impl Request {
    fn new(call: &CallMeta, name: &str, arguments: Value) -> Result<Self, ToolError> {
        let arguments: JsonObject = match arguments {
            Value::Object(arguments) => arguments,
            Value::Null => JsonObject::new(),
            _ => return Err(ToolError::invalid("the arguments of a tool are a JSON object")),
        };
        // Refused here, because the guest could only drop a message that is too long.
        let bytes = json_length(&arguments);
        if bytes > MAX_PAYLOAD_BYTES {
            let message = format!("the arguments take {bytes} bytes as JSON, more than a message can carry; send less at once");
            return Err(ToolError::new(ToolErrorCode::TooLarge, message));
        }
        let mut meta = RequestMetaObject::new();
        meta.0.0.insert(CALL_META_KEY.into(), serde_json::json!(call));
        Ok(Self { params: CallToolRequestParams::new(name.to_owned()).with_arguments(arguments), meta, bytes })
    }

    /// Sends it and waits for the answer. Unlike the library's own method this cancels nothing when dropped, and its
    /// time is not limited.
    ///
    /// Boxed and of owned parts: of the library's bare future the compiler cannot show that it is `Send`.
    fn send(&self, link: Arc<Link>) -> BoxFuture<'static, Result<CallToolResult, ServiceError>> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(self.params.clone()));
        let options = PeerRequestOptions::no_options().with_meta(self.meta.clone());
        Box::pin(async move {
            match link.send_request_with_option(request, options).await?.await_response().await? {
                ServerResult::CallToolResult(result) => Ok(result),
                _ => Err(ServiceError::UnexpectedResponse),
            }
        })
    }
}

/// The outcome as the guest put it into an MCP result.
fn outcome_of(result: CallToolResult) -> ToolOutcome {
    let value = result.structured_content.unwrap_or(Value::Null);
    if result.is_error != Some(true) {
        return Ok(value);
    }
    let error = value.get("error").cloned().unwrap_or(Value::Null);
    Err(serde_json::from_value(error)
        .unwrap_or_else(|_| ToolError::new(ToolErrorCode::Internal, "the guest reported a failure without saying which")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call() -> CallMeta {
        serde_json::from_value(json!({ "id": "call-1" })).unwrap()
    }

    /// A back end whose guests take connections and say nothing.
    #[derive(Debug, Default)]
    struct Silent(std::sync::Mutex<Vec<tokio::io::DuplexStream>>);

    #[async_trait::async_trait]
    impl Runtime for Silent {
        async fn images(&self) -> Result<Vec<types::ImageManifest>, RuntimeError> {
            unreachable!()
        }
        async fn create(&self, _: crate::SandboxSpec) -> Result<crate::SandboxFacts, RuntimeError> {
            unreachable!()
        }
        async fn destroy(&self, _: &SandboxId) -> Result<(), RuntimeError> {
            unreachable!()
        }
        async fn list(&self) -> Result<Vec<crate::SandboxFacts>, RuntimeError> {
            unreachable!()
        }
        async fn open_stream(&self, _: &SandboxId, _: &StreamOpen) -> Result<ByteStream, RuntimeError> {
            let (ours, theirs) = tokio::io::duplex(4096);
            self.0.lock().unwrap().push(theirs);
            Ok(Box::new(ours))
        }
        async fn usage(&self, _: &SandboxId) -> Result<crate::SandboxUsage, RuntimeError> {
            unreachable!()
        }
        async fn shutdown(&self) -> Result<(), RuntimeError> {
            unreachable!()
        }
    }

    #[tokio::test]
    async fn a_guest_that_says_nothing_is_given_up() {
        let silent = Arc::new(Silent::default());
        let guest = Guest::new(silent.clone(), "sb-a234567a234567".parse().unwrap());
        let guest = Guest { handshake_limit: Duration::from_millis(20), ..guest };
        let ended = tokio::time::timeout(Duration::from_secs(5), guest.call_tool(&call(), "shell", json!({}))).await;
        assert!(matches!(ended.expect("it waited on"), Err(RuntimeError::Io { .. })));
        assert_eq!(silent.0.lock().unwrap().len(), 1, "asked once");
    }

    #[test]
    fn arguments_that_cannot_be_sent_are_refused_here() {
        let code = |arguments| Request::new(&call(), "t", arguments).err().map(|error| error.code);
        assert_eq!(code(json!({})), None);
        assert_eq!(code(Value::Null), None);
        assert_eq!(code(json!([1])), Some(ToolErrorCode::InvalidArgument));
        assert_eq!(code(json!({ "x": "y".repeat(MAX_MESSAGE_BYTES) })), Some(ToolErrorCode::TooLarge));
    }

    #[test]
    fn results_decode_whatever_the_guest_says() {
        let decode = |result: Value| outcome_of(serde_json::from_value(result).unwrap());
        assert_eq!(decode(json!({ "content": [], "structuredContent": { "a": 1 } })), Ok(json!({ "a": 1 })));
        let error = json!({ "content": [], "isError": true, "structuredContent": { "error": { "code": "busy", "message": "m" } } });
        assert_eq!(decode(error).unwrap_err().code, ToolErrorCode::Busy);
        assert_eq!(decode(json!({ "content": [], "isError": true })).unwrap_err().code, ToolErrorCode::Internal);
    }
}
