//! Connections and their heads.

use crate::host::Host;
use protocol::{GENERATION, StreamOpen, StreamRefusal, StreamReply, frame};
use runtime::{Runtime, RuntimeError};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

#[tokio::test]
async fn tunnels_carry_bytes_and_half_closes() {
    let Some(host) = Host::start() else { return };
    let id = "sb-test".parse().unwrap();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).await.unwrap();
            asked.reverse();
            stream.write_all(&asked).await.unwrap();
        });
        let mut tunnel = host.runtime.open_stream(&id, &StreamOpen::Tunnel { port }).await.unwrap();
        tunnel.write_all(b"abc").await.unwrap();
        tunnel.shutdown().await.unwrap();
        let mut answer = Vec::new();
        tunnel.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"cba");
        server.await.unwrap();
        // The listener is gone now.
        let refused = host.runtime.open_stream(&id, &StreamOpen::Tunnel { port }).await.unwrap_err();
        assert!(matches!(refused, RuntimeError::Refused { refusal: StreamRefusal::NothingListens, .. }), "{refused}");
    }
}

async fn answer(stream: &mut UnixStream) -> StreamReply {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).await.unwrap();
    let mut body = vec![0; frame::body_length(prefix).unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    frame::decode(&body).unwrap()
}

#[tokio::test]
async fn nonsense_is_refused_and_harms_nobody() {
    let Some(host) = Host::start() else { return };
    let heads: [&[u8]; 4] = [b"\0\0\0\x02{}", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04null"];
    for head in heads {
        let mut stream = UnixStream::connect(&host.runtime.socket).await.unwrap();
        stream.write_all(head).await.unwrap();
        let reply = answer(&mut stream).await;
        assert!(matches!(reply, StreamReply::Refused { refusal: StreamRefusal::BadRequest, .. }), "{head:?}: {reply:?}");
    }
    // Past the head: broken JSON, wrong messages, deep nesting.
    for line in ["{", "[]", "null", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":5}"#, &"[".repeat(100_000), "\u{0}\u{1}"] {
        let open = StreamOpen::Mcp { generation: GENERATION };
        let mut stream = host.runtime.open_stream(&"sb-test".parse().unwrap(), &open).await.unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
    }
    assert_eq!(host.shell("echo alive").await["stdout"], "alive\n");
}

#[tokio::test]
async fn connections_are_bounded() {
    let Some(host) = Host::start() else { return };
    host.shell("true").await; // holds one
    let open = frame::encode(&StreamOpen::Mcp { generation: GENERATION }).unwrap();
    let mut held = Vec::new();
    for _ in 1..guest::server::MAX_CONNECTIONS {
        let mut stream = UnixStream::connect(&host.runtime.socket).await.unwrap();
        stream.write_all(&open).await.unwrap();
        assert!(matches!(answer(&mut stream).await, StreamReply::Ready { .. }));
        held.push(stream);
    }
    let mut beyond = UnixStream::connect(&host.runtime.socket).await.unwrap();
    assert!(matches!(answer(&mut beyond).await, StreamReply::Refused { refusal: StreamRefusal::Busy, .. }));
    assert_eq!(host.call("shell", json!({ "command": "echo shared" })).await.unwrap()["stdout"], "shared\n");
}
