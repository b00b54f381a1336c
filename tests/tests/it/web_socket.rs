//! A session's WebSocket: terminals, and clients that behave badly.

use crate::tenancy::new_key;
use anyhow::{Context, Result};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::{Direct, ProcStatus, Rpc, Server, Socket};
use tokio_tungstenite::tungstenite::{Bytes, Message};

const PTY: &str = "PTY_SERVER";

#[tokio::test]
async fn terminals_outlive_their_connection_and_keep_every_byte() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let direct = Direct::create(&server, &rpc).await?;
    let mut socket = direct.connect().await?;
    socket.invoke("c", PTY, "pty.create", json!({ "cols": 80, "rows": 24, "envs": { "PS1": "" }, "shell": "sh" })).await?;
    let made = socket.next().await?;
    assert_eq!(made["invocationId"], "c", "the answer comes before any output");
    let id = made["data"]["result"]["ptySessionId"].as_str().context("no id")?.to_owned();

    type_in(&mut socket, &id, "stty -echo; printf 'a\\342\\202'; sleep 0.3; printf '\\254b\\377c\\n'; echo end$((1+1))\n").await?;
    let shown = until(&mut socket, &id, b"end2").await?;
    assert!(shown.windows(9).any(|window| window == b"a\xe2\x82\xacb\xffc\r\n"), "{:?}", String::from_utf8_lossy(&shown));
    socket.invoke("r", PTY, "pty.resize", json!({ "ptySessionId": id, "cols": 132, "rows": 50 })).await?;
    type_in(&mut socket, &id, "stty size\n").await?;
    until(&mut socket, &id, b"50 132").await?;

    // The client vanishes without a word; what the terminal shows meanwhile waits for the next one.
    type_in(&mut socket, &id, "sleep 0.5; echo still$((40+2))here\n").await?;
    drop(socket);
    let mut socket = direct.connect().await?;
    socket.invoke("l", PTY, "pty.list", json!({})).await?;
    assert_eq!(socket.answer("l").await?["result"]["ptySessionIds"], json!([id]));
    socket.invoke("again", PTY, "pty.connect", json!({ "ptySessionId": id })).await?;
    assert_eq!(socket.answer("again").await?["result"]["ptySessionId"], id.as_str());
    until(&mut socket, &id, b"still42here").await?;

    type_in(&mut socket, &id, "exit 7\n").await?;
    assert_eq!(event(&mut socket, "pty.exit").await.context("after exit")?["exitCode"], 7);
    for (method, params) in
        [("pty.connect", json!({ "ptySessionId": "none" })), ("pty.create", json!({ "cols": 0, "rows": 1 })), ("pty.kill", json!({}))]
    {
        socket.invoke("bad", PTY, method, params).await?;
        let answer = socket.answer("bad").await?;
        assert!(answer["phase"] == "error" && answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{method}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_socket_ends_with_its_session_its_key_and_its_server() -> Result<()> {
    let mut server = Server::start()?;
    let (key, key_id) = new_key(&server, &["--tenant", "others"])?;
    let (ours, theirs) = (Rpc::new(&server)?, Rpc::with_key(&server, &key)?);
    let (one, two) = (Direct::create(&server, &ours).await?, Direct::create(&server, &ours).await?);
    let foreign = Direct::create(&server, &theirs).await?;
    let (mut first, mut second, mut third) = (one.connect().await?, two.connect().await?, foreign.connect().await?);

    ours.ok("ReleaseMcpSession", &[("SessionId", &one.session)]).await?;
    assert_eq!(first.closed().await?, (1001, "the session has ended".into()));
    server.cli_ok(&["key", "revoke", &key_id])?;
    let (code, reason) = third.closed().await?;
    assert!(code == 1008 && reason.contains("revoked"), "{code} {reason}");
    // The others are none the wiser.
    second.invoke("l", PTY, "pty.list", json!({})).await?;
    assert_eq!(second.answer("l").await?["result"]["ptySessionIds"], json!([]));

    let closing = tokio::spawn(async move { second.closed().await });
    server.signal_and_wait(nix::sys::signal::Signal::SIGTERM)?;
    assert_eq!(closing.await??.0, 1012);
    Ok(())
}

#[tokio::test]
async fn messages_that_are_none_are_answered_or_closed_with_a_reason() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let direct = Direct::create(&server, &rpc).await?;
    let huge = Message::text(format!(r#"{{"invocationId":"i","target":"t","data":{{"x":"{}"}}}}"#, "x".repeat(3 << 20)));
    let cases = [
        (Message::text("garbage"), 1008),
        (Message::binary(vec![0xff; 100]), 1008),
        (Message::text(r#"{"target":"t","data":{}}"#), 1008),
        (huge, 1009),
    ];
    for (message, wanted) in cases {
        let mut socket = direct.connect().await?;
        // A server that has already closed may reset what is still being sent.
        let _ = socket.0.send(message).await;
        let (code, reason) = socket.closed().await?;
        assert!(code == wanted && !reason.is_empty(), "{code} {reason}");
    }

    let mut socket = direct.connect().await?;
    for (method, params) in
        [("exec_task", json!({ "task": "x" })), ("resume_task", json!({})), ("", json!({})), ("run_code", json!({ "code": "1" }))]
    {
        socket.invoke("i", "some_server", method, params).await?;
        let message = socket.next().await?;
        assert_eq!((&message["source"], &message["data"]["phase"]), (&json!("some_server"), &json!("error")), "{method}: {message}");
    }
    // Input for a terminal nobody looks at is an event of that terminal; a binary message with JSON is a message.
    let frame =
        json!({ "invocationId": "i", "target": PTY, "data": { "method": "pty.input", "params": { "ptySessionId": "x", "data": "y" } } });
    socket.0.send(Message::binary(Bytes::from(frame.to_string()))).await?;
    assert_eq!(event(&mut socket, "pty.error").await?["ptySessionId"], "x");
    socket.0.send(Message::Ping(Bytes::from_static(b"p"))).await?;
    let pong = tokio::time::timeout(Duration::from_secs(10), socket.0.next()).await?.context("ended")??;
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"p")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_costs_little_and_stalls_nobody() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let direct = Direct::create(&server, &rpc).await?;
    let before = resident(&server)?;
    let mut deaf = direct.connect().await?;
    deaf.invoke("c", PTY, "pty.create", json!({ "cols": 80, "rows": 24, "shell": "yes" })).await?;
    // Its last read: the answer.
    deaf.answer("c").await?;
    let mut other = direct.connect().await?;
    for round in 0..20 {
        let id = format!("l{round}");
        other.invoke(&id, PTY, "pty.list", json!({})).await?;
        assert_eq!(other.answer(&id).await?["result"]["ptySessionIds"].as_array().map(Vec::len), Some(1));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = resident(&server)?.saturating_sub(before);
    assert!(grown < 30_000, "an unread terminal took {grown} KiB");
    assert_eq!(rpc.stdout(&direct.session, "echo alive").await?, "alive\n");
    drop(deaf);

    // Every one of many gets its answer, whatever it is.
    for n in 0..300 {
        other.invoke(&format!("n{n}"), PTY, "pty.list", json!({})).await?;
    }
    let mut answered = BTreeSet::new();
    let mut good = 0;
    while answered.len() < 300 {
        let message = other.next().await?;
        let data = &message["data"];
        assert!(data["result"].is_object() || data["error"].as_str().is_some_and(|text| !text.is_empty()), "{message}");
        good += usize::from(data["result"].is_object());
        answered.insert(message["invocationId"].as_str().context("no id")?.to_owned());
    }
    assert!(good >= 60, "only {good} of 300 were served");
    Ok(())
}

async fn type_in(socket: &mut Socket, id: &str, text: &str) -> Result<()> {
    socket.invoke("t", PTY, "pty.input", json!({ "ptySessionId": id, "encoding": "utf8", "data": text })).await
}

/// What a terminal shows, up to where `end` stands in it.
async fn until(socket: &mut Socket, id: &str, end: &[u8]) -> Result<Vec<u8>> {
    let mut shown = Vec::new();
    while !shown.windows(end.len()).any(|window| window == end) {
        let data = event(socket, "pty.output").await.with_context(|| String::from_utf8_lossy(&shown).into_owned())?;
        assert_eq!(data["ptySessionId"], id);
        let text = data["data"].as_str().context("no data")?;
        match data["encoding"].as_str() {
            Some("utf8") => shown.extend_from_slice(text.as_bytes()),
            _ => shown.extend(base64(text)?),
        }
    }
    Ok(shown)
}

async fn event(socket: &mut Socket, kind: &str) -> Result<Value> {
    loop {
        let message = socket.next().await?;
        if message["data"]["eventType"] == kind {
            assert_eq!(message["source"], PTY);
            return Ok(message["data"].clone());
        }
    }
}

fn base64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine;
    Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
}

fn resident(server: &Server) -> Result<u64> {
    let status = ProcStatus::of(server.pid())?;
    status.get("VmRSS").split(' ').next().and_then(|kib| kib.parse().ok()).context("no VmRSS")
}
