//! Whole requests against an engine of simulated sandboxes.

use super::*;
use crate::config::{Limits, Timeouts};
use crate::front;
use crate::testing::{World, told};
use runtime::sim::SimOp;
use serde_json::{Value, json};
use std::time::Duration;

mod contexts;

/// What the newest SDK says of itself, as a query.
const MODERN: &str = "sdkStats=%7B%22source%22%3A%22sdk%22%2C%22sdk_language%22%3A%22python%22%2C%22sdk_version%22%3A%220.12.0%22%7D";

impl World {
    async fn agb_pass(&self, request: Request<Body>) -> (u16, Value) {
        let (status, body) = told(front::pass::<Agb>(self.app.clone(), request).await).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["httpStatusCode"], &body["success"]), (&json!(status), &json!(status == 200)), "{body}");
        assert!(body["requestId"].as_str().unwrap().starts_with("req-"), "{body}");
        (status, body)
    }

    /// A request as the SDK sends it: `GET` without a body, `POST` with one.
    async fn agb_ask(&self, method: &str, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.key);
        let request = Request::builder().method(method).uri(path).header("authorization", bearer).body(body.into());
        self.agb_pass(request.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.agb_ask("POST", path, body.to_string()).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.agb_ask("GET", path, Body::empty()).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn refuses(&self, method: &str, path: &str, body: impl Into<Body>, status: u16, code: &str) -> String {
        let (got, body) = self.agb_ask(method, path, body).await;
        assert_eq!((got, body["code"].as_str().unwrap()), (status, code), "{path}: {body}");
        body["message"].as_str().unwrap().to_owned()
    }

    async fn agb_session(&self, query: &str, body: Value) -> String {
        let path = format!("/mcp/createSession?{query}");
        self.post(&path, body).await["data"]["sessionId"].as_str().unwrap().to_owned()
    }

    async fn agb_tool(&self, id: &str, name: &str, args: Value) -> (String, bool) {
        let body = json!({ "sessionId": id, "name": name, "args": args.to_string() });
        let body = self.post("/mcp?autoGenSession=false", body).await;
        assert_eq!(body["message"], "", "a message would hide the tool's text");
        let data = &body["data"];
        (data["content"][0]["text"].as_str().unwrap().to_owned(), data["isError"].as_bool().unwrap())
    }
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[tokio::test]
async fn a_session_lives_and_ends_as_the_sdk_sees_it() {
    let world = World::new().await;
    let query_of = |id: &str| query(&[("sessionId", id)]);
    let id = world.agb_session(&format!("imageId=linux_latest&{MODERN}"), json!({ "labels": r#"{"env":"a"}"#, "timeout": 90 })).await;
    let one = json!({ "sessionId": id });

    let data = world.post("/mcp/getSession", one.clone()).await["data"].clone();
    assert_eq!((&data["sessionId"], &data["status"]), (&json!(id), &json!("RUNNING")));
    let tools: Value = serde_json::from_str(data["toolList"].as_str().unwrap()).unwrap();
    assert!(tools.as_array().unwrap().iter().any(|tool| tool["name"] == "shell" && tool["server"].is_string()));
    assert_eq!(world.post("/mcp/getSessionInfo", one.clone()).await["data"]["status"], "RUNNING");
    assert_eq!(world.post("/mcp/getMcpResource", one.clone()).await["data"]["sessionId"], id.as_str());
    world.post(&format!("/mcp/refreshSessionIdleTime?{}", query_of(&id)), json!({})).await;
    assert_eq!(world.get(&format!("/sdk/GetContextInfo?{}", query_of(&id))).await["data"]["contextStatus"], "[]");

    let labels = async || world.get(&format!("/sdk/GetLabel?{}", query_of(&id))).await["data"]["labels"].clone();
    assert_eq!(labels().await, r#"{"env":"a"}"#);
    let set = |labels: &str| format!("/sdk/SetLabel?{}", query(&[("sessionId", &id), ("Labels", labels)]));
    world.post(&set(r#"{"team":"b"}"#), json!({})).await;
    assert_eq!(labels().await, r#"{"team":"b"}"#, "set replaces");
    world.refuses("POST", &set("{}"), "{}", 400, "InvalidParameter").await;
    let small = format!("/sdk/SetLabel?{}", query(&[("sessionId", &id), ("labels", r#"{"c":"d"}"#)]));
    let message = world.refuses("POST", &small, "{}", 400, "InvalidParameter").await;
    assert!(message.contains("\"Labels\""), "{message}");
    assert_eq!(labels().await, r#"{"team":"b"}"#);

    let listed = async |labels: &str| world.get(&format!("/sdk/ListSession?{}", query(&[("maxResults", "10"), ("labels", labels)]))).await;
    assert_eq!(listed(r#"{"team":"b"}"#).await["data"], json!([{ "sessionId": id, "sessionStatus": "RUNNING" }]));
    assert_eq!(listed(r#"{"env":"a"}"#).await["count"], 0);

    world.post("/mcp/releaseSessionAsync", one.clone()).await;
    for path in ["getSession", "getSessionInfo", "releaseSessionAsync", "releaseSession", "getMcpResource"] {
        let message = world.refuses("POST", &format!("/mcp/{path}"), one.to_string(), 400, "InvalidMcpSession.NotFound").await;
        assert!(message.contains("not found"), "{message}");
    }
    let other = world.agb_session("", json!({})).await;
    world.post("/mcp/releaseSession", json!({ "sessionId": other })).await;
    world.refuses("POST", "/mcp/getSession", json!({ "sessionId": other }).to_string(), 400, "InvalidMcpSession.NotFound").await;
}

#[tokio::test]
async fn a_release_is_answered_when_nothing_is_left() {
    let world = World::new().await;
    let id = world.agb_session("", json!({})).await;
    let held = world.runtime.hold(SimOp::Destroy).await;
    let mut release = std::pin::pin!(world.post("/mcp/releaseSession", json!({ "sessionId": id })));
    let early = tokio::time::timeout(Duration::from_millis(100), release.as_mut()).await;
    assert!(early.is_err() && world.runtime.alive().len() == 1, "answered while the sandbox was there");
    drop(held);
    release.await;
    assert_eq!(world.runtime.alive(), []);
}

#[tokio::test]
async fn pages_are_walked_by_tokens_beside_the_data() {
    let world = World::new().await;
    for _ in 0..3 {
        world.agb_session("", json!({})).await;
    }
    let first = world.get("/sdk/ListSession?maxResults=2&labels=%7B%7D").await;
    let token = first["nextToken"].as_str().unwrap();
    assert_eq!((first["data"].as_array().unwrap().len(), &first["count"], &first["maxResults"]), (2, &json!(3), &json!(2)));
    let last = world.get(&format!("/sdk/ListSession?{}", query(&[("maxResults", "2"), ("nextToken", token)]))).await;
    assert_eq!((last["data"].as_array().unwrap().len(), &last["nextToken"]), (1, &json!("")));
    world.refuses("GET", "/sdk/ListSession?nextToken=rubbish", Body::empty(), 400, "InvalidParameter").await;
}

#[tokio::test]
async fn commands_answer_in_the_form_of_the_sdk_that_made_the_session() {
    let world = World::new().await;
    let modern = world.agb_session(MODERN, json!({})).await;
    let (text, is_error) = world.agb_tool(&modern, "shell", json!({ "command": "exit 3", "timeout_ms": 1000 })).await;
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&result["exit_code"], &result["stdout"], is_error), (&json!(3), &json!("wuying:exit 3\n"), true));

    let silent = world.agb_session("", json!({})).await;
    assert_eq!(world.agb_tool(&silent, "shell", json!({ "command": "ls" })).await, ("wuying:ls\n".into(), false));
    let failed = "Execution failed. Error code:3 Error message: [failed]";
    assert_eq!(world.agb_tool(&silent, "shell", json!({ "command": "exit 3" })).await, (failed.into(), true));

    let (text, is_error) = world.agb_tool(&modern, "no_such_tool", json!({})).await;
    assert!(is_error && text.contains("no_such_tool") && text.contains("shell"), "{text}");
}

#[tokio::test]
async fn a_call_takes_its_time_while_its_client_reads_blanks() {
    let world = World::with(Timeouts { sign_of_life: Duration::from_millis(5), ..Timeouts::default() }, |_| None).await;
    let id = world.agb_session("", json!({})).await;
    let args = json!({ "command": "sleep-ms 200", "timeout_ms": 1 }).to_string();
    let body = json!({ "sessionId": id, "name": "shell", "args": args }).to_string();
    let request = Request::post("/mcp").header("authorization", format!("Bearer {}", world.key)).body(Body::from(body)).unwrap();
    let (status, text) = told(front::pass::<Agb>(world.app.clone(), request).await).await;
    assert!(status == 200 && text.starts_with("  "), "{text:?}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["data"]["content"][0]["text"], "wuying:sleep-ms 200\n");
}

#[tokio::test]
async fn a_client_that_left_gives_its_place_and_its_tenants_share_back_while_the_call_goes_on() {
    let limits = Limits { requests: 1, requests_per_tenant: 1, ..Limits::default() };
    let world = World::limited(limits, Timeouts { sign_of_life: Duration::from_millis(5), ..Timeouts::default() }, |_| None).await;
    let id = world.agb_session("", json!({})).await;
    let body = json!({ "sessionId": id, "name": "shell", "args": r#"{"command":"wait"}"# }).to_string();
    let request = Request::post("/mcp").header("authorization", format!("Bearer {}", world.key)).body(Body::from(body)).unwrap();
    let response = front::pass::<Agb>(world.app.clone(), request).await;
    let (status, body) = world.agb_ask("POST", "/mcp/getSession", json!({ "sessionId": id }).to_string()).await;
    assert_eq!((status, &body["code"]), (429, &json!("Throttling")), "the one place is taken");

    world.guest.begun(1).await;
    drop(response);
    world.app.work.close();
    world.app.work.wait().await;
    world.app.work.reopen();
    world.post("/mcp/getSession", json!({ "sessionId": id })).await;
    assert_eq!(world.guest.ended(), 0, "the call went with its client");
    world.guest.release();
    world.guest.all_ended(1).await;
}

#[tokio::test]
async fn whoever_has_no_key_reads_it_where_a_success_would_stand() {
    let world = World::new().await;
    for authorization in ["", "Bearer wrong", "nothing"] {
        for path in ["/mcp/createSession?imageId=linux_latest", "/mcp", "/sdk/ListSession", "/internet/getLink"] {
            let method = if path.starts_with("/mcp") { "POST" } else { "GET" };
            let request = Request::builder().method(method).uri(path).header("authorization", authorization);
            let (status, body) = world.agb_pass(request.body(Body::from("{}")).unwrap()).await;
            let data = &body["data"];
            assert_eq!((status, &body["code"]), (401, &json!("InvalidApiKey")), "{path}");
            match path {
                "/mcp" => assert_eq!((&data["isError"], &data["content"][0]["text"]), (&json!(true), &body["message"])),
                path if path.starts_with("/mcp/createSession") => {
                    assert_eq!(*data, json!({ "success": false, "errMsg": body["message"] }));
                }
                _ => assert!(data.is_null(), "{body}"),
            }
        }
    }
    assert_eq!(world.runtime.alive(), []);
}

#[tokio::test]
async fn failures_outside_of_a_handler_have_the_endpoints_form_too() {
    let world = World::limited(Limits { requests: 0, ..Limits::default() }, Timeouts::default(), |_| None).await;
    let (status, body) = world.agb_ask("POST", "//mcp/createSession", "{}").await;
    assert_eq!((status, &body["data"]["success"]), (429, &json!(false)), "{body}");
    let (_, body) = world.agb_ask("POST", "/mcp", "{}").await;
    assert_eq!(body["data"]["isError"], true);
}

#[tokio::test]
async fn what_is_no_request_is_told_in_words() {
    let limits = Limits { body: 1000, tool_body: 2000, ..Limits::default() };
    let world = World::limited(limits, Timeouts::default(), |_| None).await;
    let id = world.agb_session("", json!({})).await;
    for bad in ["[]", "null", "5", "\"text\"", "{", "sessionId=a"] {
        for path in ["/mcp/getSession", "/mcp", "/mcp/createSession"] {
            let message = world.refuses("POST", path, bad, 400, "InvalidParameter").await;
            assert!(message.contains("JSON object"), "{message}");
        }
    }
    for path in ["getSession", "getSessionInfo", "releaseSessionAsync", "refreshSessionIdleTime", "getMcpResource"] {
        for empty in ["", "{}"] {
            let message = world.refuses("POST", &format!("/mcp/{path}"), empty, 400, "MissingParameter").await;
            assert_eq!(message, "sessionId is missing");
        }
        world.refuses("POST", &format!("/mcp/{path}"), r#"{"sessionId":["a"]}"#, 400, "InvalidMcpSession.NotFound").await;
    }
    world.refuses("POST", "/mcp/getSession", format!("{{\"a\":\"{}\"}}", "x".repeat(1000)), 413, "RequestEntityTooLarge").await;
    world.refuses("POST", "/mcp", "x".repeat(2001), 413, "RequestEntityTooLarge").await;
    let call = |args: &str| json!({ "sessionId": id, "name": "shell", "args": args }).to_string();
    world.refuses("POST", "/mcp", call("{"), 400, "InvalidParameter").await;
    world.refuses("POST", "/mcp", json!({ "sessionId": id }).to_string(), 400, "MissingParameter").await;
    let message = world.refuses("POST", "/mcp", json!({ "sessionId": "session-none", "name": "shell" }).to_string(), 400, NOT_FOUND).await;
    assert!(message.contains("session") && message.contains("expired"), "watchers stop at that: {message}");
}

const NOT_FOUND: &str = "InvalidMcpSession.NotFound";

#[tokio::test]
async fn a_strangers_session_is_not_found() {
    let world = World::new().await;
    let admin = world.app.control.authenticate(&world.key).await.unwrap();
    let cx = OpContext { identity: admin, request: "req-1".parse().unwrap() };
    let tenant = control::NewKeyRequest { tenant: Some("other".into()), name: "key".into(), admin: false };
    let mut stranger = world.clone();
    stranger.key = world.app.control.create_key(&cx, tenant).await.unwrap().text;
    let id = stranger.agb_session("", json!({})).await;
    for path in ["/mcp/getSession", "/mcp/getSessionInfo", "/mcp/releaseSession"] {
        world.refuses("POST", path, json!({ "sessionId": id }).to_string(), 400, NOT_FOUND).await;
        world.refuses("POST", &format!("{path}?sessionId={id}"), "", 400, NOT_FOUND).await;
    }
    assert_eq!(world.get("/sdk/ListSession").await["count"], 0);
    stranger.post("/mcp/getSession", json!({ "sessionId": id })).await;
}

#[tokio::test]
async fn every_endpoint_of_the_table_answers_and_no_other() {
    let world = World::new().await;
    for endpoint in endpoints::ENDPOINTS {
        let id = world.agb_session("", json!({})).await;
        let path = |id: &str| format!("//{}?{}", endpoint.name, query(&[("sessionId", id)]));
        let (status, body) = world.agb_ask(endpoint.method.as_str(), &path(&id), Body::empty()).await;
        match endpoint.state {
            endpoints::State::Later(what) => {
                assert_eq!((status, &body["code"]), (501, &json!("UnsupportedOperation")), "{body}");
                assert!(body["message"].as_str().unwrap().contains(what), "{body}");
                world.refuses(endpoint.method.as_str(), &path("session-none"), Body::empty(), 400, NOT_FOUND).await;
            }
            endpoints::State::Offered(_) => assert!([200, 400].contains(&status), "{}: {body}", endpoint.name),
        }
        world.refuses("DELETE", &path(&id), Body::empty(), 405, "InvalidMethod").await;
    }
    for path in ["/", "/mcp/", "/mcp/nothing", "/sdk", "/sdk/listsession", "/index.html"] {
        let request = Request::post(path).body(Body::empty()).unwrap();
        let (status, body) = world.agb_pass(request).await;
        assert_eq!((status, &body["code"]), (404, &json!("InvalidPath.NotFound")));
        assert!(body["message"].as_str().unwrap().contains("not found"), "{body}");
    }
}

#[tokio::test]
async fn tools_are_listed_as_text_and_links_need_a_port() {
    let world = World::new().await;
    let body = world.post("/mcp/listTools?imageId=code_latest", json!({})).await;
    let tools: Value = serde_json::from_str(body["data"].as_str().unwrap()).unwrap();
    assert!(tools.as_array().unwrap().iter().any(|tool| tool["name"] == "run_code"));
    let message = world.refuses("POST", "/mcp/listTools?imageId=none", "{}", 400, "InvalidParameter").await;
    assert!(message.contains("linux_latest"), "{message}");
    let (_, body) = world.agb_ask("POST", "/mcp/createSession?imageId=none", "{}").await;
    assert!(body["data"]["errMsg"].as_str().unwrap().contains("linux_latest"), "{body}");

    let id = world.agb_session("", json!({})).await;
    for path in ["/internet/getLink", "/mcp/getLink"] {
        let link = |more: &str| format!("{path}?{}{more}", query(&[("sessionId", &id)]));
        let url = world.get(&link("&protocolType=https&port=30100")).await["data"]["url"].clone();
        assert!(url.as_str().unwrap().starts_with("https://localhost:8444/l/"), "{url}");
        let message = world.refuses("GET", &link(""), Body::empty(), 400, "InvalidParameter").await;
        assert!(message.contains("30100–30199"), "{message}");
    }
}
