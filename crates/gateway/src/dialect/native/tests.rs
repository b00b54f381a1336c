//! Whole requests against an engine of simulated sandboxes.

use super::*;
use crate::front;
use crate::testing::{World, told};
use serde_json::{Value, json};

impl World {
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.key));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, body) = told(front::pass::<Native>(self.app.clone(), request.body(body).unwrap()).await).await;
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
    }
}

#[tokio::test]
async fn sessions_are_made_used_and_ended() {
    let world = World::new().await;
    let (status, made) = world.call("POST", "/v1/sessions", json!({ "labels": { "env": "a" }, "idle_seconds": 90 })).await;
    assert_eq!((status, &made["state"], &made["idle_seconds"]), (201, &json!("running"), &json!(90)), "{made}");
    let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());

    let (_, facts) = world.call("GET", &path, Value::Null).await;
    assert_eq!((&facts["sandbox"]["layers"], &facts["labels"]["env"]), (&json!(["simulated"]), &json!("a")));
    assert!(facts["sandbox"]["host_pid"].is_i64());
    let (_, page) = world.call("GET", "/v1/sessions?labels=env%3Da&limit=1", Value::Null).await;
    assert_eq!((&page["total"], &page["sessions"][0]["id"]), (&json!(1), &made["id"]));

    let exec = format!("{path}/exec");
    let (status, result) = world.call("POST", &exec, json!({ "command": "exit 4", "user": "root", "timeout_ms": 90_000 })).await;
    assert_eq!((status, &result["exit_code"], &result["stdout"]), (200, &json!(4), &json!("root:exit 4\n")));

    assert_eq!(world.call("DELETE", &path, Value::Null).await.0, 204);
    let (status, error) = world.call("GET", &path, Value::Null).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("not_found")), "{error}");
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let world = World::new().await;
    let check = async |method: &str, path: &str, body: Value, status: u16, code: &str| {
        let (got, error) = world.call(method, path, body).await;
        assert_eq!((got, error["error"]["code"].as_str().unwrap()), (status, code), "{method} {path}: {error}");
        assert!(error["error"]["request_id"].as_str().unwrap().starts_with("req-"));
    };
    check("POST", "/v1/sessions", json!({ "imag": "x" }), 400, "invalid_argument").await;
    check("POST", "/v1/sessions", json!({ "image": "windows_latest" }), 400, "invalid_argument").await;
    check("POST", "/v1/sessions", json!({ "labels": { "a": "" } }), 400, "invalid_argument").await;
    check("GET", "/v1/sessions?limit=0", Value::Null, 400, "invalid_argument").await;
    check("GET", "/v1/sessions?limit=x", Value::Null, 400, "invalid_argument").await;
    check("GET", "/v1/sessions/..%2Fx", Value::Null, 404, "not_found").await;
    check("POST", "/v1/sessions/session-none/exec", json!({ "command": "ls" }), 404, "not_found").await;
    check("POST", "/v1/sessions/session-none/exec", json!({ "command": "ls", "timeout_ms": 0 }), 400, "invalid_argument").await;
    check("POST", "/v1/sessions/session-none/exec", json!({ "command": "ls", "user": "nobody" }), 400, "invalid_argument").await;
    check("GET", "/v1/nothing", Value::Null, 404, "no_such_path").await;
    check("PUT", "/v1/keys", Value::Null, 405, "no_such_method").await;
}

#[tokio::test]
async fn keys_are_shown_once_and_revoked_for_good() {
    let mut world = World::new().await;
    let (status, made) = world.call("POST", "/v1/keys", json!({ "name": "ci", "tenant": "other" })).await;
    assert_eq!((status, &made["tenant"], &made["admin"]), (201, &json!("other"), &json!(false)));
    let (_, list) = world.call("GET", "/v1/keys", Value::Null).await;
    assert_eq!(list["keys"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(made["text"].as_str().unwrap()));

    let admin = std::mem::replace(&mut world.key, made["text"].as_str().unwrap().to_owned());
    assert_eq!(world.call("POST", "/v1/keys", json!({ "name": "x" })).await.0, 403);
    assert_eq!(world.call("POST", "/v1/shutdown", Value::Null).await.0, 403);
    assert!(!world.app.stop.is_cancelled());
    world.key = admin;
    assert_eq!(world.call("DELETE", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), Value::Null).await.0, 204);
    world.key = made["text"].as_str().unwrap().to_owned();
    assert_eq!(world.call("GET", "/v1/sessions", Value::Null).await.0, 401);
}

#[tokio::test]
async fn ending_the_server_counts_its_sessions_and_tells_the_one_who_serves() {
    let world = World::new().await;
    world.call("POST", "/v1/sessions", json!({})).await;
    let (status, answer) = world.call("POST", "/v1/shutdown", Value::Null).await;
    assert_eq!((status, &answer["sessions_ended"]), (200, &json!(1)));
    assert!(world.app.stop.is_cancelled());
}

/// The document that is committed for readers and generators of clients.
#[tokio::test]
async fn the_committed_description_is_the_one_that_is_served() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let (status, served) = World::new().await.call("GET", "/v1/openapi.json", Value::Null).await;
    assert_eq!(status, 200);
    let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
    if std::env::var_os("ROADSTEAD_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi.json is not what is served; refresh it with \
         `ROADSTEAD_WRITE_OPENAPI=1 cargo test --release -p gateway committed_description` and look at the difference"
    );
}

#[tokio::test]
async fn every_route_is_described() {
    let (_, served) = World::new().await.call("GET", "/v1/openapi.json", Value::Null).await;
    let described: Vec<_> = served["paths"].as_object().unwrap().keys().cloned().collect();
    let source = include_str!("../native.rs");
    let routes = source.split(".route(").skip(1).filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    let missing: Vec<_> = routes.filter(|route| *route != "/v1/openapi.json" && !described.iter().any(|path| path == route)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn streams_and_files_are_refused_before_they_begin() {
    let world = World::new().await;
    let (_, made) = world.call("POST", "/v1/sessions", json!({})).await;
    let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
    let check = async |method: &str, path: &str, status: u16, code: &str| {
        let (got, error) = world.call(method, path, Value::Null).await;
        assert_eq!((got, error["error"]["code"].as_str().unwrap()), (status, code), "{method} {path}: {error}");
    };
    check("GET", &format!("{path}/streams/exec"), 426, "no_web_socket").await;
    check("GET", &format!("{path}/streams/telepathy"), 404, "no_such_path").await;
    check("GET", "/v1/sessions/session-none/streams/exec", 404, "not_found").await;
    check("GET", &format!("{path}/files"), 400, "invalid_argument").await;
    check("GET", &format!("{path}/files?path=/a&permissions=0644"), 400, "invalid_argument").await;
    check("PUT", &format!("{path}/files?path=/a&offset=3"), 400, "invalid_argument").await;
    check("PUT", &format!("{path}/files?path=/a&permissions=999"), 400, "invalid_argument").await;
    check("PUT", &format!("{path}/files?path=/a&mode=prepend"), 400, "invalid_argument").await;
    check("PUT", "/v1/sessions/session-none/files?path=/a", 404, "not_found").await;
    check("GET", "/v1/sessions/session-none/metrics", 404, "not_found").await;
    check("GET", "/v1/sessions/session-none/ptys", 404, "not_found").await;
    check("DELETE", "/v1/sessions/session-none/ptys/pty-1", 404, "not_found").await;
    check("POST", "/v1/sessions/session-none/tools/no_such", 404, "not_found").await;
    check("POST", &format!("{path}/tools/no_such"), 404, "unknown_tool").await;
}

#[tokio::test]
async fn a_tool_is_called_by_its_name() {
    let world = World::new().await;
    let (_, made) = world.call("POST", "/v1/sessions", json!({})).await;
    let path = format!("/v1/sessions/{}/tools", made["id"].as_str().unwrap());
    let (status, answer) = world.call("POST", &format!("{path}/read_file"), json!({ "path": "/a" })).await;
    assert_eq!((status, &answer["result"]), (200, &json!({ "path": "/a" })), "{answer}");
    let (_, answer) = world.call("POST", &format!("{path}/shell?user=root"), json!({ "command": "id" })).await;
    assert_eq!(answer["result"]["stdout"], "root:id\n");
    let (status, error) = world.call("POST", &format!("{path}/read_file"), json!([])).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("invalid_argument")), "{error}");
}

#[tokio::test]
async fn contexts_are_made_filled_listed_and_removed() {
    let world = World::new().await;
    let (status, made) = world.call("POST", "/v1/contexts", json!({ "name": "data" })).await;
    assert_eq!((status, &made["state"], &made["files"]), (201, &json!("available"), &json!(0)), "{made}");
    let (status, again) = world.call("POST", "/v1/contexts", json!({ "name": "data" })).await;
    assert_eq!((status, &again["id"]), (200, &made["id"]));
    let path = format!("/v1/contexts/{}", made["id"].as_str().unwrap());

    let (status, written) = world.call("PUT", &format!("{path}/file?path=dir/a.txt"), json!("bytes")).await;
    assert_eq!((status, &written["path"], &written["size"]), (200, &json!("/dir/a.txt"), &json!(7)), "{written}");
    assert_eq!(world.call("GET", &format!("{path}/file?path=/dir/a.txt"), Value::Null).await, (200, json!("bytes")));
    let (_, root) = world.call("GET", &format!("{path}/files"), Value::Null).await;
    assert_eq!(root["entries"], json!([{ "path": "/dir", "kind": "folder" }]));
    let (_, dir) = world.call("GET", &format!("{path}/files?folder=/dir&limit=1"), Value::Null).await;
    assert_eq!((&dir["entries"][0]["etag"], &dir["total"]), (&written["etag"], &json!(1)));
    for what in ["upload", "download"] {
        let (status, found) = world.call("POST", &format!("{path}/urls"), json!({ "path": "/dir/a.txt", "use": what })).await;
        assert!(found["url"].as_str().unwrap().starts_with("https://localhost:8444/o/"), "{found}");
        assert_eq!((status, &found["expires_at"]), (201, &json!("2026-06-01T13:00:00Z")));
    }

    let (_, facts) = world.call("GET", &path, Value::Null).await;
    assert_eq!((&facts["files"], &facts["bytes"]), (&json!(1), &json!(7)));
    assert_eq!(world.call("PATCH", &path, json!({ "name": "other" })).await.1["name"], "other");
    assert_eq!(world.call("GET", "/v1/contexts?name=other", Value::Null).await.1["contexts"][0]["id"], made["id"]);
    assert_eq!(world.call("GET", "/v1/contexts?name=data", Value::Null).await.1["total"], 0);
    assert_eq!(world.call("GET", "/v1/contexts?limit=1", Value::Null).await.1["total"], 1);
    assert_eq!(world.call("DELETE", &format!("{path}/file?path=/dir/a.txt"), Value::Null).await.0, 204);
    assert_eq!(world.call("POST", &format!("{path}/clear"), Value::Null).await.0, 202);
    assert_eq!(world.call("DELETE", &path, Value::Null).await.0, 204);

    let check = async |method: &str, path: &str, body: Value, status: u16, code: &str| {
        let (got, error) = world.call(method, path, body).await;
        assert_eq!((got, error["error"]["code"].as_str().unwrap()), (status, code), "{method} {path}: {error}");
    };
    check("GET", &path, Value::Null, 404, "not_found").await;
    check("GET", "/v1/contexts/..", Value::Null, 404, "not_found").await;
    check("PUT", "/v1/contexts/SdkCtx-none/file?path=/a", json!("x"), 404, "not_found").await;
    check("PUT", "/v1/contexts/SdkCtx-none/file?path=../a", json!("x"), 400, "invalid_argument").await;
    check("GET", "/v1/contexts?limit=0", Value::Null, 400, "invalid_argument").await;
    check("GET", "/v1/contexts?name=a&limit=3", Value::Null, 400, "invalid_argument").await;
    check("POST", "/v1/contexts", json!({ "name": "" }), 400, "invalid_argument").await;
    check("POST", "/v1/contexts/SdkCtx-none/urls", json!({ "path": "/a", "use": "delete" }), 400, "invalid_argument").await;
}
