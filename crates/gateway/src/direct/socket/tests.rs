//! One connection against scripted guests: what no test with a real guest can time.

use super::*;
use crate::config::Timeouts;
use crate::direct::tests::saying;
use crate::testing::World;
use futures::{SinkExt, StreamExt};
use protocol::packet::Packet;
use protocol::streams::{CodeEvent, WatchOutput};
use protocol::tools::code::{CodeError, CodeResult};
use protocol::{StreamOpen, ToolError, ToolErrorCode};
use runtime::ByteStream;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

type Client = WebSocketStream<DuplexStream>;

async fn connect(world: &World, room: usize) -> (Client, tokio::task::JoinHandle<()>) {
    let (cx, id, _) = world.token_session().await;
    let end = world.app.control.session_end(&cx, &id).unwrap();
    let (ours, theirs) = tokio::io::duplex(room);
    let server = web_socket::bounded(theirs).await;
    let serving = tokio::spawn(connection::run(world.app.clone(), cx, id, end, server));
    (WebSocketStream::from_raw_socket(ours, Role::Client, None).await, serving)
}

async fn invoke(client: &mut Client, target: &str, method: &str, params: Value) {
    let frame = json!({ "invocationId": "i", "target": target, "data": { "method": method, "params": params } });
    client.send(Message::text(frame.to_string())).await.unwrap();
}

async fn next(client: &mut Client) -> Value {
    loop {
        let message = client.next().await.unwrap().unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn scripted(open: &StreamOpen) -> Option<ByteStream> {
    let message = |event: &CodeEvent| Packet::message(event).unwrap();
    let ended = |timed_out| CodeEvent::Ended { execution_count: 3, execution_time_s: 0.5, timed_out, state_lost: false, cut_bytes: 0 };
    Some(match open {
        StreamOpen::Code(open) => saying(match open.args.code.as_str() {
            "fine" => vec![
                message(&CodeEvent::Starting),
                message(&CodeEvent::Stdout { text: "out".into() }),
                message(&CodeEvent::Stderr { text: "err".into() }),
                message(&CodeEvent::Result { result: CodeResult { is_main: true, data: [("text/plain".to_owned(), json!("42"))].into() } }),
                message(&ended(false)),
            ],
            "raise" => {
                let error = CodeError { name: "ValueError".into(), value: "bad".into(), traceback: "Traceback: bad".into() };
                vec![message(&CodeEvent::Error { error }), message(&ended(false))]
            }
            "slow" => vec![message(&ended(true))],
            "unknown" => vec![message(&CodeEvent::Failed { error: ToolError::new(ToolErrorCode::Internal, "no kernel") })],
            _ => vec![],
        }),
        StreamOpen::Watch(open) if open.path == "/tmp/w" => {
            let change = json!({ "eventType": "create", "path": "/tmp/w/a", "pathType": "file" });
            let changed = json!({ "kind": "changed", "changes": [change] });
            saying(vec![Packet::message(&WatchOutput::Watching).unwrap(), Packet::message(&changed).unwrap()])
        }
        StreamOpen::Watch(_) => {
            let error = ToolError::new(ToolErrorCode::NotFound, "no such directory");
            saying(vec![Packet::message(&WatchOutput::Failed { error }).unwrap()])
        }
        _ => return None,
    })
}

#[tokio::test]
async fn code_is_told_as_it_runs_and_always_comes_to_an_end() {
    let world = World::with(Timeouts::default(), scripted).await;
    let (mut client, _serving) = connect(&world, 1 << 20).await;
    let mut run = async |code: &str| {
        invoke(&mut client, "wuying_codespace", "run_code", json!({ "language": "python", "timeoutS": 5, "code": code })).await;
        let mut told = Vec::new();
        loop {
            let message = next(&mut client).await;
            assert_eq!((&message["invocationId"], &message["source"]), (&json!("i"), &json!("wuying_codespace")));
            told.push(message["data"].clone());
            if message["data"]["phase"] != "event" {
                return told;
            }
        }
    };
    let end = |error: &str, status: &str| json!({ "phase": "end", "executionCount": 3, "executionTime": 0.5, "executionError": error, "status": status });
    assert_eq!(
        run("fine").await,
        [
            json!({ "phase": "event", "eventType": "stdout", "chunk": "out" }),
            json!({ "phase": "event", "eventType": "stderr", "chunk": "err" }),
            json!({ "phase": "event", "eventType": "result", "result": { "isMainResult": true, "mime": { "text/plain": "42" } } }),
            end("", "finished"),
        ]
    );
    let raised = run("raise").await;
    assert_eq!((&raised[0]["error"]["code"], &raised[0]["error"]["message"]), (&json!("ValueError"), &json!("bad")));
    assert_eq!(raised[1], end("Traceback: bad", "failed"));
    let slow = run("slow").await;
    assert!(slow[0]["executionError"].as_str().unwrap().contains("time limit") && slow[0]["status"] == "failed", "{slow:?}");
    assert_eq!(run("unknown").await, [json!({ "phase": "error", "error": "no kernel" })]);
    let cut = run("cut").await;
    assert!(cut[0]["phase"] == "error" && cut[0]["error"].as_str().unwrap().contains("before the code had ended"), "{cut:?}");
}

#[tokio::test]
async fn a_watch_is_answered_once_and_then_pushes_under_its_servers_name() {
    let world = World::with(Timeouts::default(), scripted).await;
    let (mut client, _serving) = connect(&world, 1 << 20).await;
    invoke(&mut client, "wuying_filesystem", "subscribe_file_change", json!({ "path": "/tmp/w" })).await;
    let first = next(&mut client).await;
    assert_eq!((&first["invocationId"], &first["data"]["phase"]), (&json!("i"), &json!("end")), "{first}");
    let push = next(&mut client).await;
    assert_ne!(push["invocationId"], "i");
    assert_eq!(
        (&push["source"], &push["data"]["eventType"], &push["data"]["path"]),
        (&json!("wuying_filesystem"), &json!("file_change"), &json!("/tmp/w"))
    );
    assert_eq!(push["data"]["events"][0], json!({ "eventType": "create", "path": "/tmp/w/a", "pathType": "file" }));
    invoke(&mut client, "wuying_filesystem", "subscribe_file_change", json!({ "path": "/none" })).await;
    assert_eq!(next(&mut client).await["data"], json!({ "phase": "error", "error": "no such directory" }));
}

#[tokio::test]
async fn silent_and_deaf_clients_are_let_go() {
    let quick = Duration::from_millis(50);
    let timeouts =
        Timeouts { socket_ping: quick, silence: 4 * quick, socket_recheck: quick, socket_write: 4 * quick, ..Timeouts::default() };
    let world = World::with(timeouts, scripted).await;

    // Who answers pings stays.
    let (mut client, serving) = connect(&world, 1 << 20).await;
    let alive =
        tokio::time::timeout(10 * quick, async { while client.next().await.is_some_and(|message| !message.unwrap().is_close()) {} });
    assert!(alive.await.is_err() && !serving.is_finished());
    // Who reads nothing answers none.
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("a silent client was kept").unwrap();

    let (mut deaf, serving) = connect(&world, 256).await;
    for _ in 0..5 {
        invoke(&mut deaf, "t", &"m".repeat(20), json!({})).await;
    }
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("a deaf client was kept").unwrap();
}
