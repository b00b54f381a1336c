//! Tools, commands, files, links, the native API, and failures on the way.

use crate::stub::{Reply, Request, Stub, ok, refused, tool};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roadstead_sdk::native::{Exec, User};
use roadstead_sdk::{AgentBay, CallOptions, Error, LinkParams};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_failing_command_is_a_result_and_a_failing_tool_an_error() {
    let stub = Stub::new(|request| match request.args()["command"].as_str() {
        Some("exit 3") => tool(r#"{"stdout":"","stderr":"sh: no","exit_code":3}"#, true),
        Some("slow") => tool(r#"{"stdout":"so far","stderr":"","exit_code":124,"timed_out":true}"#, true),
        Some("plain") => tool("unwrapped", false),
        _ => tool("the sandbox is gone", true),
    })
    .await;
    let command = stub.client().attach("s").unwrap().command();
    let output = command.run("exit 3").cwd("/tmp").env("A", "1").timeout(Duration::from_millis(1500)).await.unwrap();
    assert_eq!((output.exit_code, output.stderr.as_str(), output.request_id.as_str()), (3, "sh: no", "req-1"));
    assert_eq!(stub.seen()[0].args(), json!({"command": "exit 3", "cwd": "/tmp", "envs": {"A": "1"}, "timeout_ms": 1500}));
    assert_eq!((stub.seen()[0].field("Name"), stub.seen()[0].field("SessionId")), (Some("shell"), Some("s")));

    let slow = command.run("slow").await.unwrap();
    assert!(slow.timed_out && slow.stdout == "so far");
    assert_eq!(command.run("plain").await.unwrap().stdout, "unwrapped");
    let error = command.run("other").await.unwrap_err();
    assert!(matches!(&error, Error::Tool(tool) if tool.message == "the sandbox is gone"), "{error:?}");
}

#[tokio::test]
async fn a_command_is_waited_for_longer_than_other_calls() {
    let stub = Stub::new(|_| Reply(200, tool(r#"{"stdout":"","stderr":"","exit_code":0}"#, false).1, Duration::from_millis(400))).await;
    let endpoint = format!("http://127.0.0.1:{}", stub.port);
    let hasty = AgentBay::builder().api_key("k").endpoint(endpoint).timeout(Duration::from_millis(100)).build().unwrap();
    let session = hasty.attach("s").unwrap();
    session.command().run("sleep 0.3").timeout(Duration::from_secs(1)).await.unwrap();
    let error = session.keep_alive().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { after, .. } if after == Duration::from_millis(100)), "{error:?}");
    assert!(error.is_retryable());
    let options = CallOptions::new().read_timeout(Duration::from_millis(50)).connect_timeout(Duration::from_millis(40));
    let error = session.call_mcp_tool("shell", json!({}), options).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { after, .. } if after == Duration::from_millis(50)), "{error:?}");
}

#[tokio::test]
async fn files_travel_in_pieces_and_arrive_whole() {
    let content: Vec<u8> = "漢ü! ".repeat(17_143).into_bytes();
    let served = content.clone();
    let stub = Stub::new(move |request| {
        let args = request.args();
        let number = |name| args[name].as_u64().unwrap() as usize;
        match request.field("Name") {
            Some("get_file_info") => tool(&format!("path: /f\nsize: {}\nisDirectory: false\nisFile: true", served.len()), false),
            Some("read_file") => {
                let end = (number("offset") + number("length")).min(served.len());
                tool(&STANDARD.encode(&served[number("offset").min(end)..end]), false)
            }
            _ => tool("ok", false),
        }
    })
    .await;
    let files = stub.client().attach("s").unwrap().files();
    assert_eq!(*files.read_bytes("/f").await.unwrap(), content);
    assert_eq!(stub.seen().len(), 1 + 3, "120,001 bytes are three pieces of at most 51,200");
    assert!(stub.seen().iter().skip(1).all(|request| request.args()["format"] == "binary"));
    assert_eq!(*files.read_range("/f", 119_999, 100).await.unwrap(), content[119_999..]);
    assert_eq!(files.read("/f").await.unwrap().as_bytes(), content, "characters cut by a piece are whole again");

    let before = stub.seen().len();
    let text = "漢".repeat(40_000);
    files.write("/f", &text).await.unwrap();
    let writes: Vec<Request> = stub.seen().split_off(before);
    let modes: Vec<_> = writes.iter().map(|request| request.args()["mode"].clone()).collect();
    assert_eq!(modes, ["overwrite", "append", "append"]);
    let joined: String = writes.iter().map(|request| request.args()["content"].as_str().unwrap().to_owned()).collect();
    assert_eq!(joined, text);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_written_by_a_command() {
    let stub = Stub::new(|request| match request.field("Name") {
        Some("shell") => tool(r#"{"stdout":"","stderr":"","exit_code":0}"#, false),
        _ => tool("ok", false),
    })
    .await;
    let content = vec![0xff; 40_000];
    stub.client().attach("s").unwrap().files().write_bytes("/it's", &content).await.unwrap();
    let [empty, first, second] = &stub.seen()[..] else { panic!("{:?}", stub.actions()) };
    assert_eq!((&empty.args()["content"], &empty.args()["mode"]), (&json!(""), &json!("overwrite")));
    let mut written = Vec::new();
    for request in [first, second] {
        let args = request.args();
        let words: Vec<&str> = args["command"].as_str().unwrap().splitn(4, ' ').collect();
        assert_eq!((words[0], words[1], words[3]), ("printf", "%s", r"| base64 -d >> '/it'\''s'"));
        written.extend(STANDARD.decode(words[2]).unwrap());
    }
    assert_eq!(written, content);
}

#[tokio::test]
async fn links_labels_and_info_are_read() {
    let stub = Stub::new(|request| match request.action() {
        "GetLink" => ok(json!({"Url": "https://link"})),
        "GetLabel" => ok(json!({"Labels": "{\"a\":\"b\"}"})),
        "GetMcpResource" => ok(json!({"SessionId": "s", "ResourceUrl": "https://r", "DesktopInfo": {"AppId": "app", "Ticket": "secret"}})),
        _ => ok(json!("[{\"name\":\"shell\",\"server\":\"wuying_shell\",\"inputSchema\":{}}]")),
    })
    .await;
    let session = stub.client().attach("s").unwrap();
    assert_eq!(*session.link(LinkParams::https(30100)).await.unwrap(), "https://link");
    assert_eq!((stub.seen()[0].field("ProtocolType"), stub.seen()[0].field("Port")), (Some("https"), Some("30100")));
    assert_eq!(session.labels().await.unwrap()["a"], "b");
    let info = session.info().await.unwrap();
    assert_eq!((info.app_id.as_str(), info.ticket.as_str()), ("app", "secret"));
    assert!(!format!("{info:?}").contains("secret"));
    assert_eq!(session.list_mcp_tools().await.unwrap()[0].name, "shell");
    assert_eq!(session.tools()[0].server, "wuying_shell");
}

#[tokio::test]
async fn a_tool_is_called_directly_when_the_service_gave_an_address() {
    let direct = Stub::new(|_| Reply(200, json!({"data": {"result": {"content": [{"text": "near"}]}}}).to_string(), Duration::ZERO)).await;
    let link = format!("http://127.0.0.1:{}/", direct.port);
    let stub = Stub::new(move |request| match request.action() {
        "GetSession" => ok(
            json!({"SessionId": "s", "Token": "tok", "LinkUrl": link, "ToolList": r#"[{"name":"get_metrics","server":"wuying_system"}]"#}),
        ),
        _ => tool("far", false),
    })
    .await;
    let session = stub.client().get("s").await.unwrap();
    let near = session.call_mcp_tool("get_metrics", json!({"a": 1}), CallOptions::new()).await.unwrap();
    assert_eq!(near.text, "near");
    let request = &direct.seen()[0];
    assert_eq!((request.path.as_str(), request.headers["x-access-token"].as_str()), ("/callTool", "tok"));
    assert_eq!((&request.json()["args"], &request.json()["server"]), (&json!({"a": 1}), &json!("wuying_system")));
    assert_eq!(request.json()["requestId"], json!(near.request_id));
    let far = session.call_mcp_tool("unlisted", json!({}), CallOptions::new()).await.unwrap();
    assert_eq!(far.text, "far");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let stub = Stub::new(|request| match request.field("SessionId") {
        Some("gone") => refused(400, "InvalidMcpSession.NotFound"),
        Some("full") => refused(429, "Throttling"),
        Some("denied") => refused(401, "InvalidApiKey"),
        _ => Reply(200, "<html>".into(), Duration::ZERO),
    })
    .await;
    let client = stub.client();
    let error = |id: &'static str| {
        let client = client.clone();
        async move { client.get(id).await.unwrap_err() }
    };
    assert!(matches!(error("gone").await, Error::NotFound(api) if api.request_id.as_deref() == Some("req-err")));
    assert!(matches!(error("full").await, Error::LimitExceeded(_)));
    assert!(matches!(error("denied").await, Error::Authentication(_)));
    assert!(matches!(error("odd").await, Error::UnexpectedAnswer { .. }));

    let nowhere = AgentBay::builder().api_key("secret-key").endpoint("http://127.0.0.1:1").build().unwrap();
    let error = nowhere.get("s").await.unwrap_err();
    assert!(matches!(&error, Error::Transport { reason, .. } if reason.contains("refused")), "{error}");
    assert!(error.is_retryable() && !format!("{error:?} {nowhere:?}").contains("secret-key"));
}

#[tokio::test]
async fn the_native_api_sends_json_with_the_key_in_its_header() {
    let stub = Stub::new(|request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/sessions/s/exec") => {
            Reply(200, json!({"stdout": "0\n", "stderr": "", "exit_code": 0, "timed_out": false}).to_string(), Duration::ZERO)
        }
        ("DELETE", "/v1/keys/a%2F..%2Fb") => Reply(204, String::new(), Duration::ZERO),
        ("POST", "/v1/keys") => Reply(201, r#"{"id":"key-1","tenant":"t","name":"n","text":"akm-new"}"#.into(), Duration::ZERO),
        ("POST", "/v1/shutdown") => Reply(200, r#"{"ended":3}"#.into(), Duration::ZERO),
        _ => Reply(404, json!({"error": {"code": "not_found", "message": "no", "request_id": "req-9"}}).to_string(), Duration::ZERO),
    })
    .await;
    let native = stub.client().native();
    let output = native.exec("s", &Exec::new("id -u").user(User::Root).timeout(Duration::from_secs(1))).await.unwrap();
    assert_eq!(output.stdout, "0\n");
    let request = &stub.seen()[0];
    assert_eq!(request.headers["authorization"], "Bearer akm-test");
    assert_eq!(request.json(), json!({"command": "id -u", "user": "root", "envs": {}, "timeout_ms": 1000}));
    native.revoke_key("a/../b").await.unwrap();
    let made = native.create_key(&Default::default()).await.unwrap();
    assert_eq!((made.text.as_str(), made.info.tenant.as_str()), ("akm-new", "t"));
    assert!(!format!("{made:?}").contains("akm-new"));
    assert_eq!(native.shutdown().await.unwrap(), 3);
    let error = native.session("x").await.unwrap_err();
    assert!(matches!(&error, Error::NotFound(_)) && error.request_id() == Some("req-9"), "{error:?}");
    assert!(matches!(native.session("..").await, Err(Error::Validation { .. })));
}
