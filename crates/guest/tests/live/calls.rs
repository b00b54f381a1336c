//! Calls outlive connections.

use crate::host::{Host, meta};
use guest::calls::CallLimits;
use protocol::{CALL_META_KEY, GENERATION, StreamOpen, ToolErrorCode};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, RequestMetaObject};
use rmcp::service::{PeerRequestOptions, serve_client};
use runtime::Runtime;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_call_goes_on_when_its_connection_breaks_and_is_joined_again() {
    let Some(host) = Host::start() else { return };
    let call = meta("wuying");
    let args = json!({ "command": "echo run >> log; until test -e go; do sleep 0.01; done; cat log" });
    let cut_twice = async {
        for _ in 0..2 {
            while !host.shell("cat log 2>/dev/null; true").await["stdout"].as_str().unwrap().contains("run") {}
            host.runtime.cut();
        }
        host.shell("touch go").await;
    };
    let (outcome, ()) = tokio::join!(host.guest.call_tool(&call, "shell", args.clone()), cut_twice);
    assert_eq!(outcome.unwrap().unwrap()["stdout"], "run\n", "it ran once");
    assert!(host.runtime.opened.load(Ordering::Relaxed) >= 3);
    // Asked again after its end, it is not run again either.
    host.shell("rm go").await;
    assert_eq!(host.guest.call_tool(&call, "shell", args).await.unwrap().unwrap()["stdout"], "run\n");
    assert_eq!(host.shell("cat log").await["stdout"], "run\n");
}

#[tokio::test]
async fn dropping_the_future_cancels_nothing() {
    let Some(host) = Host::start() else { return };
    let call = meta("wuying");
    let args = json!({ "command": "sleep 0.3; echo done" });
    let impatient = tokio::time::timeout(Duration::from_millis(50), host.guest.call_tool(&call, "shell", args.clone())).await;
    assert!(impatient.is_err());
    assert_eq!(host.guest.call_tool(&call, "shell", args).await.unwrap().unwrap()["stdout"], "done\n");
}

#[tokio::test]
async fn an_mcp_cancellation_kills_the_command() {
    let Some(host) = Host::start() else { return };
    let stream = host.runtime.open_stream(&"sb-test".parse().unwrap(), &StreamOpen::Mcp { generation: GENERATION }).await.unwrap();
    let client = serve_client((), tokio::io::split(stream)).await.unwrap();
    let call = meta("wuying");
    let mut options = RequestMetaObject::new();
    options.0.0.insert(CALL_META_KEY.into(), json!(call));
    let arguments = json!({ "command": "touch begun; sleep 73001" }).as_object().unwrap().clone();
    let params = CallToolRequestParams::new("shell").with_arguments(arguments.clone());
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let handle = client.send_request_with_option(request, PeerRequestOptions::no_options().with_meta(options)).await.unwrap();
    while host.shell("ls begun").await["exit_code"] != 0 {}
    let started = Instant::now();
    handle.cancel(None).await.unwrap();
    let outcome = host.guest.call_tool(&call, "shell", json!(arguments)).await.unwrap();
    assert_eq!(outcome.unwrap_err().code, ToolErrorCode::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(5));
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn too_many_calls_are_busy() {
    let Some(host) = Host::start() else { return };
    let metas: Vec<_> = (0..CallLimits::default().running + 1).map(|_| meta("wuying")).collect();
    let args = json!({ "command": "sleep 60" });
    let calls = metas.iter().map(|meta| Box::pin(host.guest.call_tool(meta, "shell", args.clone())));
    // All but one wait, so the first to come back is the one that was one too many.
    let (first, _, _) = futures::future::select_all(calls).await;
    assert_eq!(first.unwrap().unwrap_err().code, ToolErrorCode::Busy);
}

#[tokio::test]
async fn a_foreign_mcp_client_is_served() {
    let Some(host) = Host::start() else { return };
    let stream = host.runtime.open_stream(&"sb-test".parse().unwrap(), &StreamOpen::Mcp { generation: GENERATION }).await.unwrap();
    let client = serve_client((), tokio::io::split(stream)).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(
        tools.len(),
        protocol::tools::available(&[types::Capability::Shell, types::Capability::Filesystem, types::Capability::Code]).count()
    );
    assert!(tools[0].input_schema.contains_key("properties"));
    let call =
        |command: &str| CallToolRequestParams::new("shell").with_arguments(json!({ "command": command }).as_object().unwrap().clone());
    let result = client.call_tool(call("echo hi; exit 3")).await.unwrap();
    assert_eq!((result.is_error, result.structured_content.unwrap()["exit_code"].as_i64()), (Some(false), Some(3)));
    let result = client.call_tool(CallToolRequestParams::new("nonsense")).await.unwrap();
    assert_eq!((result.is_error, result.structured_content.unwrap()["error"]["code"].as_str()), (Some(true), Some("unknown_tool")));
    client.cancel().await.unwrap();
}
