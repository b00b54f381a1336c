//! The `/v1` streams: commands, terminals, files.

use crate::stub::{Reply, Stub, upgrade};
use futures::{StreamExt, TryStreamExt};
use roadstead_sdk::native::{Exec, ReadFile, User, WriteFile};
use roadstead_sdk::{CommandEvent, Error, PtyOptions};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

fn problem(status: u16, code: &str) -> Reply {
    Reply(status, json!({"error": {"code": code, "message": "because", "request_id": "req-p"}}).to_string(), Duration::ZERO)
}

#[tokio::test]
async fn a_command_streams_both_ways_and_takes_signals() {
    let stub = Stub::with_sockets(
        |request| if request.path == "/v1/sessions/s/streams/exec" { upgrade() } else { problem(404, "not_found") },
        |request, mut socket| async move {
            assert_eq!(request.headers["authorization"], "Bearer akm-test");
            assert_eq!(
                socket.json().await,
                json!({"command": "cat", "user": "wuying", "cwd": "/tmp", "envs": {"A": "1"}, "timeout_ms": 9000, "stdin": true})
            );
            socket.bytes(1, b"ready").await;
            assert_eq!(socket.next().await, Some(Message::binary(&b"\x01a\0b"[..])));
            socket.bytes(2, b"oops").await;
            assert_eq!(socket.json().await, json!({"kind": "signal", "signal": 15}));
            assert_eq!(socket.json().await, json!({"kind": "eof"}));
            socket.say(json!({"kind": "exited", "exit_code": 143})).await;
            socket.close().await;
        },
    )
    .await;
    let session = stub.client().attach("s").unwrap();
    let run = session.command().stream("cat").cwd("/tmp").env("A", "1").timeout(Duration::from_secs(9)).stdin(true);
    let mut stream = run.await.unwrap();
    let mut stdin = stream.stdin().unwrap();
    assert!(stream.stdin().is_none());
    assert_eq!(stream.next().await.unwrap().unwrap(), CommandEvent::Stdout("ready".into()));
    stdin.write_all(b"a\0b").await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), CommandEvent::Stderr("oops".into()));
    stream.signal(15).await.unwrap();
    assert!(matches!(stream.signal(65).await, Err(Error::Validation { .. })));
    drop(stdin);
    assert_eq!(stream.next().await.unwrap().unwrap(), CommandEvent::Exited { exit_code: 143, timed_out: false });
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection_whoever_holds_its_input() {
    let closed = Arc::new(Notify::new());
    let seen = closed.clone();
    let stub = Stub::with_sockets(
        |_| upgrade(),
        move |_, mut socket| {
            let seen = seen.clone();
            async move {
                socket.json().await;
                while socket.next().await.is_some() {}
                seen.notify_one();
            }
        },
    )
    .await;
    let mut stream = stub.client().native().exec_stream("s", &Exec::new("cat").stdin(true)).await.unwrap();
    let mut stdin = stream.stdin().unwrap();
    let signals = stream.signals();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), closed.notified()).await.expect("the connection is still open");
    let gone = tokio::time::timeout(Duration::from_secs(5), async { while stdin.write_all(&[0; 4096]).await.is_ok() {} });
    gone.await.expect("writing to a closed stream goes on and on");
    assert!(matches!(signals.send(9).await, Err(Error::Disconnected { .. })));
}

#[tokio::test]
async fn failures_of_a_stream_are_told_apart() {
    let stub = Stub::with_sockets(
        |request| match request.path.as_str() {
            "/v1/sessions/gone/streams/exec" => problem(404, "not_found"),
            "/v1/sessions/hosted/streams/exec" => Reply(404, "<html>".into(), Duration::ZERO),
            _ => upgrade(),
        },
        |request, mut socket| async move {
            socket.json().await;
            if request.path.contains("/bad/") {
                socket.say(json!({"kind": "failed", "error": {"code": "invalid_argument", "message": "no such directory"}})).await;
            }
            // Otherwise the connection just ends.
        },
    )
    .await;
    let native = stub.client().native();
    let start = async |session: &str| native.exec_stream(session, &Exec::new("true")).await;
    let error = start("gone").await.unwrap_err();
    assert!(matches!(&error, Error::NotFound(_)) && error.request_id() == Some("req-p"), "{error:?}");
    assert!(start("hosted").await.is_err());
    let error = start("bad").await.unwrap().output().await.unwrap_err();
    assert!(matches!(&error, Error::Tool(tool) if tool.message == "no such directory"), "{error:?}");
    assert_eq!(error.request_id(), Some("req-ws"));
    let error = start("cut").await.unwrap().output().await.unwrap_err();
    assert!(matches!(&error, Error::Disconnected { .. }) && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_terminal_is_typed_on_read_resized_and_ends() {
    let stub = Stub::with_sockets(
        |request| match (request.method.as_str(), request.path.as_str()) {
            (_, "/v1/sessions/s/streams/pty") => upgrade(),
            ("GET", "/v1/sessions/s/ptys") => Reply(200, r#"{"ids":["pty-1"]}"#.into(), Duration::ZERO),
            ("DELETE", "/v1/sessions/s/ptys/pty-1") => Reply(204, String::new(), Duration::ZERO),
            _ => problem(404, "not_found"),
        },
        |_, mut socket| async move {
            let opening = socket.json().await;
            if opening["target"]["kind"] == "existing" {
                return socket.say(json!({"kind": "failed", "error": {"code": "not_found", "message": "no such terminal"}})).await;
            }
            assert_eq!(opening["target"], json!({"kind": "new", "size": {"cols": 100, "rows": 30}, "shell": "bash"}));
            assert_eq!(opening["user"], "root");
            socket.say(json!({"kind": "opened", "id": "pty-1"})).await;
            socket.bytes(1, b"$ ").await;
            assert_eq!(socket.next().await, Some(Message::binary(&b"\x01ls\n"[..])));
            assert_eq!(socket.json().await, json!({"kind": "resize", "size": {"cols": 5, "rows": 6}}));
            socket.bytes(1, b"file").await;
            socket.say(json!({"kind": "exited", "exit_code": 7})).await;
        },
    )
    .await;
    let native = stub.client().native();
    let options = PtyOptions::new().size(100, 30).shell("bash");
    let mut pty = native.pty("s", options, User::Root).await.unwrap();
    assert_eq!(pty.id(), "pty-1");
    let mut prompt = [0; 1];
    pty.read_exact(&mut prompt).await.unwrap();
    pty.write_all(b"ls\n").await.unwrap();
    pty.resize(5, 6).await.unwrap();
    assert!(matches!(pty.resize(0, 6).await, Err(Error::Validation { .. })));
    let shown: Vec<_> = (&mut pty).try_collect().await.unwrap();
    assert_eq!(shown.concat(), b" file");
    assert_eq!((pty.exit_code(), pty.wait().await.unwrap()), (Some(7), 7));
    assert_eq!(native.ptys("s").await.unwrap(), ["pty-1"]);
    native.kill_pty("s", "pty-1").await.unwrap();
    assert!(matches!(native.pty_connect("s", "x").await, Err(Error::Tool(_))));
}

#[tokio::test]
async fn a_file_is_put_in_place_only_when_it_is_finished() {
    let stub = Stub::new(|request| match request.method.as_str() {
        "GET" if request.query["path"] == "/none" => problem(404, "not_found"),
        "GET" => Reply(200, "content".into(), Duration::ZERO),
        "PUT" if request.query["path"] == "/full" => problem(429, "resource_exhausted"),
        _ => Reply(200, json!({"bytes": request.bytes.len()}).to_string(), Duration::ZERO),
    })
    .await;
    let native = stub.client().native();
    let mut read = String::new();
    let mut reader = native.read_file("s", "/a", ReadFile::new().from(3).at_most(7).user(User::Root)).await.unwrap();
    assert_eq!(reader.len(), Some(7));
    reader.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "content");
    let asked = ["offset", "length", "user"].map(|name| stub.seen()[0].field(name).map(str::to_owned));
    assert_eq!(asked, [Some("3"), Some("7"), Some("root")].map(|text| text.map(str::to_owned)));
    assert!(matches!(native.read_file("s", "/none", ReadFile::new()).await, Err(Error::NotFound(_))));

    let mut writer = native.write_file("s", "/b", WriteFile::new().permissions(0o600).user(User::Root)).unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    writer.write_all(&content).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 300_000);
    let put = stub.seen().pop().unwrap();
    assert_eq!((put.field("mode"), put.field("permissions"), put.bytes == content), (Some("overwrite"), Some("0600"), true));
    assert_eq!((put.field("user"), stub.seen()[1].field("user")), (Some("root"), None));

    let refused = native.write_file("s", "/full", WriteFile::new()).unwrap().finish().await;
    assert!(matches!(refused, Err(Error::LimitExceeded(_))), "{refused:?}");

    let before = stub.seen().len();
    let mut dropped = native.write_file("s", "/c", WriteFile::new()).unwrap();
    dropped.write_all(b"half").await.unwrap();
    drop(dropped);
    let mut last = native.write_file("s", "/d", WriteFile::new()).unwrap();
    last.write_all(b"x").await.unwrap();
    last.shutdown().await.unwrap();
    assert!(last.write_all(b"y").await.is_err(), "written after its end");
    assert_eq!(stub.seen()[before..].iter().filter_map(|request| request.field("path")).collect::<Vec<_>>(), ["/d"]);
}

#[tokio::test]
async fn a_reader_hears_of_a_file_that_breaks_off() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let count = socket.read(&mut head).await.unwrap();
        kept.lock().unwrap().extend_from_slice(&head[..count]);
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-roadstead-mode: 0750\r\n\r\nhalf").await.unwrap();
    });
    let client = roadstead_sdk::AgentBay::builder().api_key("k").endpoint(format!("http://127.0.0.1:{port}")).build().unwrap();
    let mut reader = client.native().read_file("s", "/a", ReadFile::new()).await.unwrap();
    assert_eq!((reader.len(), reader.permissions()), (Some(10), Some(0o750)));
    assert!(reader.read_to_end(&mut Vec::new()).await.is_err());
    server.await.unwrap();
    assert!(String::from_utf8_lossy(&seen.lock().unwrap()).starts_with("GET /v1/sessions/s/files?path=%2Fa "));
}
