//! Contexts: what is asked, what comes of the answers, and files by presigned URLs.

use crate::stub::{Reply, Request, Stub, ok, refused};
use roadstead_sdk::{ContextState, EntryKind, Error};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn context(state: &str) -> Reply {
    ok(json!({"Id": "SdkCtx-1", "Name": "data", "State": state, "CreateTime": "2026-01-01T00:00:00Z"}))
}

fn raw(status: u16, body: &str) -> Reply {
    Reply(status, body.into(), Duration::ZERO)
}

/// A service whose presigned URLs lead back to itself.
fn with_files(request: &Request) -> Reply {
    let url = || ok(json!({"Url": format!("http://{}/presigned?signature=x", request.headers["host"]), "ExpireTime": 1_800_000_000}));
    match (request.action(), request.method.as_str()) {
        ("GetContextFileUploadUrl" | "GetContextFileDownloadUrl", _) => url(),
        ("", "PUT") if request.body == "too much" => raw(429, "the contexts of this tenant may hold 1 bytes in all"),
        ("", "PUT") => raw(200, ""),
        ("", "GET") => raw(200, "content"),
        _ => refused(404, "EntityNotExist"),
    }
}

#[tokio::test]
async fn contexts_are_asked_for_by_name_and_id() {
    let stub = Stub::new(|_| context("available")).await;
    let contexts = stub.client().contexts();
    let found = contexts.create("data").await.unwrap();
    assert_eq!((found.id.as_str(), &found.state, found.request_id.as_str()), ("SdkCtx-1", &ContextState::Available, "req-1"));
    contexts.get("data").await.unwrap();
    contexts.get_by_id("SdkCtx-1").await.unwrap();
    contexts.rename("SdkCtx-1", "other").await.unwrap();
    contexts.delete("SdkCtx-1").await.unwrap();
    let asked: Vec<_> = stub.seen();
    let field = |n: usize, name: &str| asked[n].field(name).map(str::to_owned);
    assert_eq!((field(0, "Name"), field(0, "AllowCreate")), (Some("data".into()), Some("true".into())));
    assert_eq!((field(1, "Name"), field(1, "AllowCreate")), (Some("data".into()), Some("false".into())));
    assert_eq!((field(2, "ContextId"), field(2, "Name")), (Some("SdkCtx-1".into()), None));
    assert_eq!((field(3, "Id"), field(3, "Name")), (Some("SdkCtx-1".into()), Some("other".into())));
    assert_eq!(stub.actions(), ["GetContext", "GetContext", "GetContext", "ModifyContext", "DeleteContext"]);
    for (id, name) in [("", "x"), ("x", " ")] {
        assert!(matches!(contexts.rename(id, name).await, Err(Error::Validation { .. })));
    }
}

#[tokio::test]
async fn a_clearing_is_waited_for_but_not_for_ever() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let stub = Stub::new(move |request| match request.action() {
        "GetContext" if counted.fetch_add(1, Ordering::Relaxed) < 3 => context("clearing"),
        "GetContext" => context("available"),
        _ => ok(json!(null)),
    })
    .await;
    stub.client().contexts().clear("SdkCtx-1").await.unwrap();
    assert_eq!(polls.load(Ordering::Relaxed), 4);

    let stub = Stub::new(|request| if request.action() == "GetContext" { context("pre-available") } else { ok(json!(null)) }).await;
    let late = stub.client().contexts().clear_within("SdkCtx-1", Duration::from_millis(30)).await;
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
}

#[tokio::test]
async fn files_and_folders_are_listed() {
    let stub = Stub::new(|request| match request.action() {
        "ListContexts" => raw(200, r#"{"RequestId":"r","Success":true,"Data":[{"Id":"SdkCtx-1"}],"NextToken":"t","TotalCount":7}"#),
        _ => raw(
            200,
            r#"{"RequestId":"r","Success":true,"Count":9,"Data":[{"FileName":"a","FilePath":"/a","FileType":"FILE","Size":3},
                {"FileName":"d","FilePath":"/d","FileType":"folder"}]}"#,
        ),
    })
    .await;
    let contexts = stub.client().contexts();
    let page = contexts.list(1, Some("s")).await.unwrap();
    assert_eq!((page.contexts.len(), page.next_token.as_deref(), page.total_count), (1, Some("t"), 7));
    let page = contexts.files("SdkCtx-1", "/", 2, 50).await.unwrap();
    let kinds: Vec<_> = page.entries.iter().map(|entry| (entry.path.as_str(), entry.kind, entry.size)).collect();
    assert_eq!((kinds, page.total_count), (vec![("/a", EntryKind::File, 3), ("/d", EntryKind::Folder, 0)], 9));
    let asked = stub.expect("DescribeContextFiles").await;
    assert_eq!(["ParentFolderPath", "PageNumber", "PageSize"].map(|name| asked.field(name).unwrap()), ["/", "2", "50"]);
}

#[tokio::test]
async fn files_go_by_presigned_urls_and_without_the_key() {
    let stub = Stub::new(with_files).await;
    let contexts = stub.client().contexts();
    contexts.put("SdkCtx-1", "/a", "whole").await.unwrap();
    assert_eq!(contexts.read("SdkCtx-1", "/a").await.unwrap(), b"content");
    let mut writer = contexts.open_write("SdkCtx-1", "/b", Some(6)).await.unwrap();
    writer.write_all(b"pieces").await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 6);
    let direct: Vec<_> = stub.seen().into_iter().filter(|request| request.path == "/presigned").collect();
    assert_eq!(direct.iter().map(|request| request.body.as_str()).collect::<Vec<_>>(), ["whole", "", "pieces"]);
    assert!(direct.iter().all(|request| !request.headers.contains_key("authorization")));
    assert_eq!(direct[2].headers.get("content-length").map(String::as_str), Some("6"));

    let refused = contexts.put("SdkCtx-1", "/a", "too much").await.unwrap_err();
    assert!(refused.to_string().contains("1 bytes in all") && matches!(refused, Error::LimitExceeded(_)), "{refused:?}");
    assert!(matches!(contexts.delete_file("SdkCtx-1", "/none").await, Err(Error::NotFound(_))));
}
