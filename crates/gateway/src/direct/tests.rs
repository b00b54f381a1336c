//! Whole requests against an engine of simulated sandboxes.

use super::*;
use crate::config::Timeouts;
use crate::front;
use crate::testing::{World, told};
use bytes::Bytes;
use control::{CreateSession, OpContext};
use futures::SinkExt;
use http_body_util::BodyExt;
use protocol::StreamOpen;
use protocol::packet::{Packet, PacketCodec};
use protocol::streams::FileReadOutput;
use runtime::ByteStream;
use serde_json::{Value, json};
use std::time::Duration;
use types::SessionId;

impl World {
    /// A session, who made it, and its token.
    pub(super) async fn token_session(&self) -> (OpContext, SessionId, String) {
        let identity = self.app.control.authenticate(&self.key).await.unwrap();
        let cx = OpContext { identity, request: "req-1".parse().unwrap() };
        let client = types::ClientInfo { dialect: "native".into(), ..Default::default() };
        let view = self
            .app
            .control
            .create_session(&cx, CreateSession { image: Some("code_latest".into()), client, ..Default::default() })
            .await
            .unwrap();
        let token = token(&self.app, &cx, &view.id);
        (cx, view.id, token)
    }

    async fn direct(&self, request: Request<Body>) -> Response<Body> {
        front::pass::<Direct>(self.app.clone(), request).await
    }

    async fn direct_call(&self, header: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = Request::post(CALL).header("x-access-token", header).body(body.into()).unwrap();
        let (status, text) = told(self.direct(request).await).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn direct_tool(&self, token: &str, tool: &str, args: Value) -> (String, bool) {
        let (status, body) = self.direct_call(token, json!({ "tool": tool, "args": args }).to_string()).await;
        let result = &body["data"]["result"];
        assert_eq!(status, 200, "{body}");
        (result["content"][0]["text"].as_str().unwrap().to_owned(), result["isError"].as_bool().unwrap())
    }
}

#[tokio::test]
async fn a_call_needs_its_token_in_header_or_body_and_says_what_went_wrong_as_its_result() {
    let world = World::new().await;
    let (cx, id, token) = world.token_session().await;
    let body =
        |token: &str| json!({ "args": { "command": "c" }, "server": "s", "requestId": "r", "tool": "shell", "token": token }).to_string();
    for (header, inside) in [(token.as_str(), ""), ("", token.as_str()), (&token, "x")] {
        let (status, answer) = world.direct_call(header, body(inside)).await;
        assert_eq!((status, &answer["code"]), (200, &json!("ok")), "{answer}");
        let text = answer["data"]["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["stdout"], "wuying:c\n");
    }
    for (header, inside) in [("", ""), ("x", token.as_str()), ("", "x")] {
        let (status, answer) = world.direct_call(header, body(inside)).await;
        assert_eq!((status, &answer["code"]), (401, &json!("InvalidToken")), "{answer}");
    }
    assert!(world.direct_tool(&token, "shell", json!({ "command": "exit 3" })).await.1);
    assert!(world.direct_tool(&token, "no_such", json!({})).await.1);
    for bad in ["", "x", "[]", r#"{"args":{}}"#, r#"{"tool":5}"#, r#"{"tool":"shell","args":[]}"#] {
        assert_eq!(world.direct_call(&token, bad).await.0, 400, "{bad}");
    }
    for (method, path, status) in [("GET", CALL, 405), ("POST", SOCKET, 405), ("GET", "/direct/none", 404), ("GET", "/direct", 404)] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(world.direct(request).await.status().as_u16(), status, "{method} {path}");
    }
    world.app.control.delete_session(&cx, &id, true).await.unwrap();
    let (text, is_error) = world.direct_tool(&token, "shell", json!({ "command": "c" })).await;
    assert!(is_error && text.starts_with("session not found or expired"), "{text}");
}

#[tokio::test]
async fn who_has_no_token_yet_gets_little_room_and_the_holder_is_told_in_words() {
    let world = World::new().await;
    let (.., token) = world.token_session().await;
    let call = |length: usize| json!({ "tool": "write_file", "args": { "path": "/p", "content": "x".repeat(length) } }).to_string();
    assert_eq!(world.direct_call("", call(world.app.limits.body + 1)).await.0, 413);
    let (text, is_error) =
        world.direct_tool(&token, "write_file", json!({ "path": "/p", "other": "x".repeat(world.app.limits.tool_body) })).await;
    assert!(is_error && text.contains("in parts"), "{text}");
}

#[tokio::test]
async fn a_calls_time_is_its_own_and_not_that_of_the_api() {
    let timeouts = Timeouts { call: Duration::from_millis(20), ..Timeouts::default() };
    assert!(timeouts.direct > Duration::from_secs(600) && timeouts.direct < Duration::from_secs(900));
    let world = World::with(timeouts, |_| None).await;
    let (cx, id, token) = world.token_session().await;
    let args = json!({ "command": "sleep-ms 300", "timeout_ms": 1 });
    let trail = Trail::start("agentbay", &*world.app.entropy);
    let form = crate::tool::Form::Wrapped;
    let call = ("shell", args.as_object().unwrap().clone());
    let by_api = crate::tool::call(&world.app, &trail, &cx, &id, call, form, crate::tool::Patience::Minute).await;
    assert_eq!(by_api.unwrap_err().code(), types::ErrorCode::DeadlineExceeded);
    assert!(!world.direct_tool(&token, "shell", args).await.1);
}

#[tokio::test]
async fn the_vpc_call_answers_in_both_shapes() {
    let world = World::new().await;
    let (.., token) = world.token_session().await;
    let get = async |query: &[(&str, &str)]| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = Request::get(format!("/callTool?{query}")).body(Body::empty()).unwrap();
        let (status, text) = told(world.direct(request).await).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let args = r#"{"command":"a & b"}"#;
    let (status, body) = get(&[("server", "s"), ("tool", "shell"), ("args", args), ("token", &token), ("requestId", "vpc-1")]).await;
    assert_eq!((status, &body["isError"]), (200, &json!(false)), "{body}");
    let inner: Value = serde_json::from_str(body["data"].as_str().unwrap()).unwrap();
    assert_eq!(inner["result"]["content"], body["content"]);
    assert!(body["content"][0]["text"].as_str().unwrap().contains("a & b"));
    assert_eq!(get(&[("tool", "shell"), ("args", args), ("token", "x")]).await.0, 401);
    assert_eq!(get(&[("tool", "shell"), ("args", "[]"), ("token", &token)]).await.0, 400);
    assert_eq!(get(&[("token", &token)]).await.0, 400);
}

/// Sends `packets` and closes.
pub(super) fn saying(packets: Vec<Packet>) -> ByteStream {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let mut guest = tokio_util::codec::Framed::new(theirs, PacketCodec);
        for packet in packets {
            guest.send(packet).await.unwrap();
        }
    });
    Box::new(ours)
}

#[tokio::test]
async fn a_whole_file_comes_as_it_is_read_and_a_broken_one_never_looks_whole() {
    const TEXT: &str = "añ€😀\"\\\n\u{1}";
    let world = World::with(Timeouts::default(), |open| {
        let StreamOpen::ReadFile(open) = open else { return None };
        let mut packets = vec![Packet::message(&FileReadOutput::Opened { size: 1, mode: 0o644 }).unwrap()];
        packets.extend(TEXT.as_bytes().chunks(2).map(|piece| Packet::Data(Bytes::copy_from_slice(piece))));
        let bytes = TEXT.len() as u64;
        match open.path.as_str() {
            "/whole" | "/home/wuying/whole" => packets.push(Packet::message(&FileReadOutput::Ended { bytes }).unwrap()),
            "/cut" => {}
            _ => {
                let error = protocol::ToolError::new(protocol::ToolErrorCode::NotFound, "no such file");
                packets = vec![Packet::message(&FileReadOutput::Failed { error }).unwrap()];
            }
        }
        Some(saying(packets))
    })
    .await;
    let (.., token) = world.token_session().await;
    let read = async |args: Value| world.direct_tool(&token, "read_file", args).await;
    assert_eq!(read(json!({ "path": "/whole", "offset": 0, "length": 0 })).await, (TEXT.to_owned(), false));
    assert_eq!(read(json!({ "path": "whole", "offset": null })).await, (TEXT.to_owned(), false));
    let (base64, _) = read(json!({ "path": "/whole", "format": "binary" })).await;
    assert_eq!(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap(), TEXT.as_bytes());
    assert_eq!(read(json!({ "path": "/none" })).await, ("no such file".to_owned(), true));
    let (ranged, _) = read(json!({ "path": "/whole", "length": 5 })).await;
    assert!(ranged.contains("tool read_file"), "a range is a call of the tool, whose simulation gives no content: {ranged}");

    let request = Request::post(CALL).header("x-access-token", &token);
    let body = json!({ "tool": "read_file", "args": { "path": "/cut" } }).to_string();
    let response = world.direct(request.body(body.into()).unwrap()).await;
    assert!(response.into_body().collect().await.is_err(), "a file that broke off passed for whole");
}
