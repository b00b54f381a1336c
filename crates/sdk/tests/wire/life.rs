//! Sessions made, found, listed and deleted.

use crate::stub::{Reply, Request, Stub, ok, refused};
use futures::TryStreamExt;
use roadstead_sdk::{CreateSessionParams, DeleteOptions, Error, LinkParams, ListParams};
use serde_json::json;
use std::time::Duration;

fn session(_: &Request) -> Reply {
    ok(json!({"SessionId": "session-1", "ResourceUrl": "https://r", "Success": true}))
}

#[tokio::test]
async fn create_sends_the_protocols_form() {
    let stub = Stub::new(session).await;
    let params = CreateSessionParams::new().image("linux_latest").label("k", "v ä&=").policy_id("p").framework("fw");
    let made = stub.client().create(params.idle_timeout(Duration::from_millis(90_500))).await.unwrap();
    assert_eq!((made.id(), made.image_id(), made.resource_url()), ("session-1", Some("linux_latest"), Some("https://r")));
    assert_eq!(made.request_id, "req-1");

    let request = &stub.seen()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/"));
    for (name, value) in [("Action", "CreateMcpSession"), ("Version", "2025-05-06"), ("Format", "json")] {
        assert_eq!(request.query.get(name).map(String::as_str), Some(value));
    }
    assert!(request.query["Timestamp"].ends_with('Z') && request.query["Timestamp"].len() == 20, "{:?}", request.query);
    assert_eq!(request.query["SignatureNonce"].len(), 32);
    assert_eq!(request.headers["x-acs-action"], "CreateMcpSession");
    assert!(!request.headers.contains_key("authorization"));
    for (name, value) in [("Authorization", "Bearer akm-test"), ("ImageId", "linux_latest"), ("McpPolicyId", "p"), ("Timeout", "91")] {
        assert_eq!(request.form.get(name).map(String::as_str), Some(value));
    }
    assert_eq!(request.form["Labels"], r#"{"k":"v ä&="}"#);
    let stats: serde_json::Value = serde_json::from_str(&request.form["SdkStats"]).unwrap();
    assert_eq!((&stats["sdk_language"], &stats["source"], &stats["framework"]), (&json!("rust"), &json!("sdk"), &json!("fw")));
    assert_eq!(request.form["LoginRegionId"], "cn-hangzhou");
    for absent in ["MaxRuntime", "ManualRelease"] {
        assert!(!request.form.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn life_cycle_limits_count_in_minutes_and_manual_release_has_none() {
    let stub = Stub::new(session).await;
    let client = stub.client();
    let minute = Duration::from_secs(60);
    client.create(CreateSessionParams::new().idle_timeout(minute * 2).max_runtime(minute * 30)).await.unwrap();
    client.create(CreateSessionParams::new().manual_release(true)).await.unwrap();
    let [limits, manual] = &stub.seen()[..] else { panic!() };
    assert_eq!((limits.field("Timeout"), limits.field("MaxRuntime"), limits.field("ManualRelease")), (Some("2"), Some("30"), None));
    assert_eq!((manual.field("Timeout"), manual.field("MaxRuntime"), manual.field("ManualRelease")), (None, None, Some("True")));
    assert_eq!(limits.field("ImageId"), None);
}

#[tokio::test]
async fn a_refusal_inside_a_success_is_an_error() {
    let stub = Stub::new(|_| ok(json!({"Success": false, "ErrMsg": "no machine left"}))).await;
    let error = stub.client().create(CreateSessionParams::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Api(api) if api.message == "no machine left"), "{error:?}");
    assert_eq!(error.request_id(), Some("req-1"));
}

#[tokio::test]
async fn a_create_that_is_given_up_leaves_no_session() {
    let stub = Stub::new(|request| match request.action() {
        "CreateMcpSession" => Reply(200, session(request).1, Duration::from_millis(100)),
        _ => ok(json!(null)),
    })
    .await;
    let client = stub.client();
    let given_up = tokio::time::timeout(Duration::from_millis(20), client.create(CreateSessionParams::new())).await;
    assert!(given_up.is_err());
    assert_eq!(stub.expect("DeleteSessionAsync").await.field("SessionId"), Some("session-1"));
}

#[tokio::test]
async fn only_the_last_handle_deletes_on_drop_and_only_when_told() {
    let stub = Stub::new(session).await;
    let client = stub.client();
    drop(client.create(CreateSessionParams::new()).await.unwrap());
    let first = client.create(CreateSessionParams::new().delete_on_drop(true)).await.unwrap();
    let second = first.clone();
    drop(first);
    second.keep_alive().await.unwrap();
    assert_eq!(stub.actions(), ["CreateMcpSession", "CreateMcpSession", "RefreshSessionIdleTime"]);
    drop(second);
    stub.expect("DeleteSessionAsync").await;
}

#[tokio::test]
async fn delete_waits_until_the_session_is_gone() {
    let polls = std::sync::atomic::AtomicU32::new(0);
    let stub = Stub::new(move |request| match request.action() {
        "DeleteSessionAsync" => ok(json!(null)),
        "GetSessionDetail" if polls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 => ok(json!({"Status": "DELETING"})),
        _ => refused(400, "InvalidMcpSession.NotFound"),
    })
    .await;
    let session = stub.client().attach("session-1").unwrap();
    assert!(stub.seen().is_empty(), "attaching makes no request");
    session.delete().await.unwrap();
    assert_eq!(stub.actions(), ["DeleteSessionAsync", "GetSessionDetail", "GetSessionDetail", "GetSessionDetail"]);
    assert_eq!(stub.seen()[1].query["SessionId"], "session-1");
}

#[tokio::test]
async fn delete_with_sync_tells_what_was_not_saved_and_deletes_all_the_same() {
    let stub = Stub::new(|request| match request.action() {
        "SyncContext" | "DeleteSessionAsync" => ok(json!(null)),
        "GetContextInfo" => {
            let items = json!([
                {"contextId": "c1", "path": "/a", "taskType": "upload", "status": "Success"},
                {"contextId": "c2", "path": "/b", "taskType": "upload", "status": "Failed", "errorMessage": "disk full"},
                {"contextId": "c3", "path": "/c", "taskType": "download", "status": "Running"},
            ]);
            ok(json!({"ContextStatus": json!([{"type": "data", "data": items.to_string()}]).to_string()}))
        }
        _ => refused(400, "InvalidMcpSession.NotFound"),
    })
    .await;
    let deleted = stub.client().attach("s").unwrap().delete_with(DeleteOptions::new().sync_contexts(true)).await.unwrap();
    assert_eq!(deleted.sync_failures, ["context c2 at /b was not uploaded: disk full"]);
    assert_eq!(stub.seen()[0].query["Authorization"], "Bearer akm-test");
}

fn pages(request: &Request) -> Reply {
    let (ids, next) = match request.field("NextToken") {
        None => (["s1", "s2"], "t2"),
        Some("t2") => (["s3", "s4"], ""),
        Some(_) => return refused(400, "InvalidNextToken"),
    };
    let data: Vec<_> = ids.iter().map(|id| json!({"SessionId": id, "SessionStatus": "RUNNING"})).collect();
    let body = json!({"RequestId": "req-1", "Success": true, "Data": data, "NextToken": next, "MaxResults": 2, "TotalCount": 4});
    Reply(200, body.to_string(), Duration::ZERO)
}

#[tokio::test]
async fn lists_are_pages_or_one_stream() {
    let stub = Stub::new(pages).await;
    let client = stub.client();
    let page = client.list(ListParams::new().label("k", "v").limit(2)).await.unwrap();
    assert_eq!((page.session_ids(), page.total_count, page.next_token.as_deref()), (vec!["s1", "s2"], 4, Some("t2")));
    assert_eq!((stub.seen()[0].field("Labels"), stub.seen()[0].field("MaxResults")), (Some(r#"{"k":"v"}"#), Some("2")));

    let all: Vec<_> = client.sessions(ListParams::new()).map_ok(|session| session.session_id).try_collect().await.unwrap();
    assert_eq!(all, ["s1", "s2", "s3", "s4"]);

    assert_eq!(client.list_page([("k", "v")], 2, 2).await.unwrap().session_ids(), ["s3", "s4"]);
    let error = client.list_page([("k", "v")], 3, 2).await.unwrap_err();
    assert!(matches!(error, Error::PageOutOfRange { page: 3, total_count: 4, .. }), "{error:?}");
}

#[tokio::test]
async fn what_can_be_refused_here_makes_no_request() {
    let stub = Stub::new(session).await;
    let client = stub.client();
    let handle = client.attach("s").unwrap();
    let none: [(&str, &str); 0] = [];
    let refusals = [
        client.attach(" ").err(),
        client.get("").await.err(),
        client.list(ListParams::new().limit(0)).await.err(),
        client.list(ListParams::new().limit(101)).await.err(),
        client.list_page(none, 0, 5).await.err(),
        client.create(CreateSessionParams::new().label("", "v")).await.err(),
        handle.set_labels(none).await.err(),
        handle.set_labels([("k", "")]).await.err(),
        handle.link(LinkParams::https(30200)).await.err(),
        handle.link(LinkParams::wss(30099)).await.err(),
        handle.files().read_range("/x", 0, 0).await.err(),
        handle.call_mcp_tool("shell", json!([]), Default::default()).await.err(),
    ];
    for (n, refusal) in refusals.iter().enumerate() {
        assert!(matches!(refusal, Some(Error::Validation { .. })), "{n}: {refusal:?}");
    }
    assert!(stub.seen().is_empty(), "{:?}", stub.actions());
}
