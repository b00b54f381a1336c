//! The session's WebSocket: code, terminals and changes on one connection, and what happens when it is lost.

use crate::stub::{Reply, Request, Socket, Stub, ok, refused, tool, upgrade};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use roadstead_sdk::{ChangeKind, CodeEvent, Error, Language, PtyOptions, Session};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const TOOLS: &str = r#"[{"name":"run_code","server":"code_server"},{"name":"get_file_change","server":"fs_server"}]"#;

fn answers(request: &Request) -> Reply {
    match (request.path.as_str(), request.action()) {
        ("/ws", _) if request.headers["x-access-token"] == "tok" => upgrade(),
        ("/ws", _) => refused(403, "Forbidden"),
        (_, "GetSession") => {
            let host = request.headers["host"].clone();
            ok(json!({"SessionId": "s", "Token": "tok", "wsUrl": format!("ws://{host}/ws"), "ToolList": TOOLS, "Success": true}))
        }
        (_, "CallMcpTool") => tool("[]", false),
        _ => refused(400, "Odd"),
    }
}

async fn reply(socket: &mut Socket, call: &Value, data: Value) {
    socket.say(json!({"invocationId": call["invocationId"], "source": call["target"], "target": "SDK", "data": data})).await;
}

async fn push(socket: &mut Socket, source: &str, data: Value) {
    socket.say(json!({"invocationId": "push", "source": source, "target": "SDK", "data": data})).await;
}

async fn session(stub: &Stub) -> Session {
    stub.client().get("s").await.unwrap().into_value()
}

fn output(id: &str, bytes: &[u8]) -> Value {
    json!({"eventType": "pty.output", "ptySessionId": id, "encoding": "base64", "data": STANDARD.encode(bytes)})
}

#[tokio::test]
async fn code_streams_events_of_every_kind() {
    let stub = Stub::with_sockets(answers, |_, mut socket| async move {
        let call = socket.json().await;
        assert_eq!((&call["source"], &call["target"]), (&json!("SDK"), &json!("code_server")));
        assert_eq!(call["invocationId"].as_str().unwrap().len(), 32);
        let params = json!({"language": "python", "timeoutS": 60, "code": "x"});
        assert_eq!(call["data"], json!({"method": "run_code", "mode": "stream", "params": params}));
        let event = |kind: &str, mut data: Value| {
            data["phase"] = json!("event");
            data["eventType"] = json!(kind);
            data
        };
        reply(&mut socket, &call, event("stdout", json!({"chunk": "a"}))).await;
        reply(&mut socket, &call, event("stderr", json!({"chunk": "b"}))).await;
        let main = json!({"result": {"isMainResult": true, "mime": {"text/plain": "4", "image/png": "aGk="}}});
        reply(&mut socket, &call, event("result", main)).await;
        reply(&mut socket, &call, event("error", json!({"error": {"code": "E", "message": "NameError: x"}}))).await;
        reply(&mut socket, &call, json!({"phase": "end", "executionCount": 5, "executionTime": 0.5, "status": "failed"})).await;
        while socket.next().await.is_some() {}
    })
    .await;
    let session = session(&stub).await;
    let events: Vec<_> = session.code().run_code_stream("x", Language::Python).await.unwrap().try_collect().await.unwrap();
    assert_eq!(events.len(), 5);
    assert_eq!(events[0], CodeEvent::Stdout("a".into()));
    assert!(matches!(&events[2], CodeEvent::Result(result) if result.png.as_deref() == Some(b"hi") && result.is_main));
    assert!(matches!(&events[3], CodeEvent::Error(error) if error.message == "NameError: x"));
    assert!(matches!(&events[4], CodeEvent::Ended(end) if end.execution_count == Some(5) && end.error.is_some()));
}

#[tokio::test]
async fn terminals_share_one_connection_and_lose_no_output() {
    let connections = Arc::new(AtomicU32::new(0));
    let count = connections.clone();
    let stub = Stub::with_sockets(answers, move |_, mut socket| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let call = socket.json().await;
            assert_eq!((&call["target"], &call["data"]["method"]), (&json!("PTY_SERVER"), &json!("pty.create")));
            let params = &call["data"]["params"];
            assert_eq!((&params["cols"], &params["rows"], &params["cwd"]), (&json!(80), &json!(24), &json!("/tmp")));
            assert_eq!((&params["envs"]["TERM"], &params["envs"]["LANG"]), (&json!("xterm-256color"), &json!("C.UTF-8")));
            // Output right behind the answer must find its terminal.
            reply(&mut socket, &call, json!({"result": {"ptySessionId": "p1"}})).await;
            push(&mut socket, "PTY_SERVER", output("p1", b"hello ")).await;
            push(&mut socket, "PTY_SERVER", output("other", b"not for us")).await;
            let typed = socket.json().await;
            assert_eq!(typed["data"]["method"], "pty.input");
            let data = typed["data"]["params"]["data"].as_str().unwrap();
            assert_eq!(
                (typed["data"]["params"]["encoding"].as_str(), STANDARD.decode(data).unwrap()),
                (Some("base64"), b"\x03\xff".to_vec())
            );
            assert_eq!(socket.json().await["data"]["params"], json!({"ptySessionId": "p1", "cols": 3, "rows": 4}));
            let list = socket.json().await;
            reply(&mut socket, &list, json!({"result": {"ptySessionIds": ["p1"]}})).await;
            // More than is buffered anywhere: the reader slows the sender down, and calls still go out.
            for _ in 0..500 {
                push(&mut socket, "PTY_SERVER", output("p1", &[b'x'; 1000])).await;
            }
            push(&mut socket, "PTY_SERVER", json!({"eventType": "pty.exit", "ptySessionId": "p1", "exitCode": 9})).await;
            let kill = socket.json().await;
            assert_eq!(kill["data"], json!({"method": "pty.kill", "params": {"ptySessionId": "nope"}}));
            reply(&mut socket, &kill, json!({"error": "no such terminal"})).await;
            while socket.next().await.is_some() {}
        }
    })
    .await;
    let session = session(&stub).await;
    let mut pty = session.pty().create(PtyOptions::new().cwd("/tmp")).await.unwrap();
    assert_eq!(pty.next().await.unwrap().unwrap(), b"hello "[..]);
    pty.input().write(b"\x03\xff").await.unwrap();
    pty.resize(3, 4).await.unwrap();
    assert_eq!(session.pty().list().await.unwrap(), ["p1"]);
    let shown: usize = (&mut pty).map_ok(|bytes| bytes.len()).try_fold(0, |sum, n| async move { Ok(sum + n) }).await.unwrap();
    assert_eq!((shown, pty.exit_code()), (500_000, Some(9)));
    let error = session.pty().kill("nope").await.unwrap_err();
    assert!(matches!(&error, Error::Tool(tool) if tool.message == "no such terminal"), "{error:?}");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn changes_are_pushed_until_the_stream_is_dropped() {
    let stub = Stub::with_sockets(answers, |_, mut socket| async move {
        let call = socket.json().await;
        assert_eq!(call["target"], "fs_server");
        assert_eq!(call["data"], json!({"method": "subscribe_file_change", "params": {"path": "/w"}}));
        reply(&mut socket, &call, json!({"phase": "end"})).await;
        let events = json!([{"eventType": "create", "path": "/w/a", "pathType": "file"}, {"eventType": "delete", "path": "/w/b", "pathType": "directory"}]);
        push(&mut socket, "fs_server", json!({"eventType": "file_change", "path": "/w", "events": events})).await;
        assert_eq!(socket.json().await["data"]["method"], "unsubscribe_file_change");
        let call = socket.json().await;
        reply(&mut socket, &call, json!({"result": {"ptySessionIds": ["unsubscribed"]}})).await;
        while socket.next().await.is_some() {}
    })
    .await;
    let session = session(&stub).await;
    let mut changes = session.files().watch("/w").await.unwrap();
    let kinds: Vec<_> = (&mut changes).take(2).map_ok(|change| change.kind).try_collect().await.unwrap();
    assert_eq!(kinds, [ChangeKind::Create, ChangeKind::Delete]);
    drop(changes);
    assert_eq!(session.pty().list().await.unwrap(), ["unsubscribed"]);
}

#[tokio::test]
async fn without_a_websocket_changes_are_asked_for_and_streams_refused() {
    let asked = AtomicU32::new(0);
    let stub = Stub::new(move |request| match request.action() {
        "GetSession" => ok(json!({"SessionId": "s", "Success": true})),
        _ if asked.fetch_add(1, Ordering::Relaxed) == 1 => tool(r#"[{"eventType":"modify","path":"/w/a","pathType":"file"}]"#, false),
        _ => tool("[]", false),
    })
    .await;
    let session = stub.client().attach("s").unwrap();
    let mut changes = session.files().watch("/w").await.unwrap();
    let change = changes.next().await.unwrap().unwrap();
    assert_eq!((change.kind, change.path.as_str()), (ChangeKind::Modify, "/w/a"));
    let error = session.code().run_code_stream("1", Language::Python).await.unwrap_err();
    assert!(matches!(&error, Error::Validation { message } if message.contains("WebSocket")), "{error:?}");
}

#[tokio::test]
async fn a_lost_connection_fails_what_waits_and_is_made_anew() {
    let connections = Arc::new(AtomicU32::new(0));
    let count = connections.clone();
    let stub = Stub::with_sockets(answers, move |_, mut socket| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            while let Some(message) = socket.next().await {
                let call: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                match call["data"]["method"].as_str().unwrap() {
                    "pty.create" => reply(&mut socket, &call, json!({"result": {"ptySessionId": "p1"}})).await,
                    "pty.list" => reply(&mut socket, &call, json!({"result": {"ptySessionIds": []}})).await,
                    // The second call on the first connection ends it.
                    _ if first => return socket.close().await,
                    _ => {}
                }
            }
        }
    })
    .await;
    let session = session(&stub).await;
    let mut pty = session.pty().create(PtyOptions::new()).await.unwrap();
    let events = session.code().run_code_stream("1", Language::R).await.unwrap();
    let error = events.output().await.unwrap_err();
    assert!(matches!(&error, Error::Disconnected { .. }) && error.is_retryable(), "{error:?}");
    assert!(matches!(pty.next().await, Some(Err(Error::Disconnected { .. }))));
    assert!(pty.next().await.is_none() && pty.wait().await.is_err());
    assert_eq!(session.pty().list().await.unwrap(), [""; 0]);
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_refused_handshake_is_told_with_its_status() {
    let stub = Stub::new(|request| match request.path.as_str() {
        "/ws" => Reply(403, "that token is of another session".into(), Duration::ZERO),
        _ => answers(request),
    })
    .await;
    let error = session(&stub).await.pty().list().await.unwrap_err();
    assert!(matches!(&error, Error::Authentication(api) if api.status == 403 && api.message.contains("another session")), "{error:?}");
}
