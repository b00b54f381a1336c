//! Our requests are those of the official Python SDK, field by field: both do the same walk against one recording server.

#[path = "../../../crates/sdk/tests/wire/stub.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod stub;

use roadstead_sdk::{CallOptions, CreateSessionParams, Edit, Language, LinkParams, ListParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use stub::{Reply, Request, Stub, ok, tool};

const VERSION: &str = "0.22.3";

fn answer(request: &Request) -> Reply {
    match request.action() {
        "CreateMcpSession" => ok(json!({"SessionId": "s", "Success": true, "ResourceUrl": "https://r"})),
        "GetSession" => ok(json!({"SessionId": "s", "Success": true, "Status": "RUNNING"})),
        "GetSessionDetail" => ok(json!({"Status": "FINISH"})),
        "ListSession" => ok(json!([])),
        "ListMcpTools" => ok(json!("[]")),
        "GetLink" => ok(json!({"Url": "https://l"})),
        "GetLabel" => ok(json!({"Labels": "{}"})),
        "GetMcpResource" => ok(json!({"SessionId": "s", "ResourceUrl": "https://r", "DesktopInfo": {}})),
        "CallMcpTool" => match request.field("Name").unwrap() {
            "get_file_info" => tool("path: /tmp/a\nsize: 4\nisDirectory: false\nisFile: true", false),
            "read_file" => tool("dGV4dA==", false),
            "shell" => tool(r#"{"stdout":"","stderr":"","exit_code":0}"#, false),
            "run_code" => tool(r#"{"result":[],"stdout":[],"stderr":[],"executionError":""}"#, false),
            "get_env" | "get_metrics" => tool("{}", false),
            _ => tool("ok", false),
        },
        _ => ok(Value::Null),
    }
}

#[tokio::test]
async fn our_requests_are_those_of_the_official_sdk() {
    let python = tokio::task::spawn_blocking(|| tests::conformance::virtualenv(VERSION, &[])).await.unwrap().unwrap();
    let theirs = Stub::new(answer).await;
    let walk = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recording/walk.py");
    let run = tokio::process::Command::new(python).args([walk, &theirs.endpoint()]).output();
    let output = tokio::time::timeout(Duration::from_secs(120), run).await.expect("it hangs").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let ours = Stub::new(answer).await;
    do_the_walk(&ours).await;

    let (theirs, ours) = (record(&theirs), record(&ours));
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() >= 28, "only {} requests were compared", ours.len());
}

/// The calls of `walk.py`, in the same order.
async fn do_the_walk(stub: &Stub) {
    let client = stub.client();
    let params = CreateSessionParams::new().image("linux_latest").label("suite", "recording").idle_timeout(Duration::from_secs(90));
    let session = client.create(params).await.unwrap().into_value();
    client.list(ListParams::new().label("suite", "recording").limit(5)).await.unwrap();
    client.get("s").await.unwrap();
    session.set_labels([("a", "1"), ("b", "2")]).await.unwrap();
    session.labels().await.unwrap();
    session.info().await.unwrap();
    session.link(LinkParams::https(30100)).await.unwrap();
    session.keep_alive().await.unwrap();
    session.status().await.unwrap();
    session.list_mcp_tools().await.unwrap();
    session.command().run("echo $A").timeout(Duration::from_secs(4)).cwd("/tmp").env("A", "1").await.unwrap();
    session.call_mcp_tool("shell", json!({"command": "true"}), CallOptions::new()).await.unwrap();
    session.code().run_code("1 + 1", Language::Python).timeout(Duration::from_secs(30)).await.unwrap();
    let files = session.files();
    files.write("/tmp/a", "text").await.unwrap();
    files.append("/tmp/a", "more").await.unwrap();
    files.read_bytes("/tmp/a").await.unwrap();
    files.create_dir("/tmp/d").await.unwrap();
    files.list("/tmp/d").await.unwrap();
    files.edit_dry_run("/tmp/a", [Edit::new("x", "y")]).await.unwrap();
    files.rename("/tmp/a", "/tmp/b").await.unwrap();
    files.search("/tmp", "*.txt", ["no"]).await.unwrap();
    files.info("/tmp/b").await.unwrap();
    files.delete("/tmp/b").await.unwrap();
    session.env().set([("A", "1")]).await.unwrap();
    session.env().get(["A"]).await.unwrap();
    session.metrics().await.unwrap();
    client.delete(&session).await.unwrap();
}

/// What of a request must be the same.
#[derive(Debug, PartialEq)]
struct Recorded {
    method: String,
    path: String,
    headers: [Option<String>; 3],
    query: BTreeMap<String, Value>,
    form: BTreeMap<String, Value>,
}

fn record(stub: &Stub) -> Vec<Recorded> {
    let recorded = |request: Request| Recorded {
        headers: ["x-acs-action", "x-acs-version", "content-type"].map(|name| request.headers.get(name).cloned()),
        query: fields(&request.query),
        form: fields(&request.form),
        method: request.method,
        path: request.path,
    };
    stub.seen().into_iter().map(recorded).collect()
}

/// Without what differs from request to request or names the client; JSON as what it means, not as how it is spaced.
fn fields(map: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let field = |(name, text): (&String, &String)| {
        let value = match name.as_str() {
            "SignatureNonce" | "Timestamp" => return None,
            "Labels" | "Args" => serde_json::from_str(text).unwrap(),
            "SdkStats" => {
                let mut stats: Value = serde_json::from_str(text).unwrap();
                for own in ["sdk_language", "sdk_version"] {
                    assert!(stats.as_object_mut().unwrap().remove(own).is_some_and(|value| value.is_string()), "{text}");
                }
                stats
            }
            _ => Value::String(text.clone()),
        };
        Some((name.clone(), value))
    };
    map.iter().filter_map(field).collect()
}
