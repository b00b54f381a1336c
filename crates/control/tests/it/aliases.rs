//! Sessions under names that clients chose.

use crate::support::{World, assert_fault, eventually};
use control::{CreateSession, ListSessions};
use runtime::{Runtime, SandboxSpec};
use store::MetadataStore;
use types::ErrorCode;

#[tokio::test]
async fn everybody_who_comes_at_once_gets_the_same_session() {
    let (_world, server) = World::with_server().await;
    let request = CreateSession::default();
    let many = (0..20).map(|_| server.control.find_or_create_session(&server.cx, "mine", &request));
    let ids: Vec<_> = futures::future::join_all(many).await.into_iter().map(|view| view.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let page = server.control.list_sessions(&server.cx, ListSessions { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(page.sessions.iter().map(|view| &view.id).collect::<Vec<_>>(), [&ids[0]], "one, and it is listed");
    assert_eq!(server.control.session_called(&server.cx, "mine"), Some(ids[0].clone()));
}

#[tokio::test]
async fn a_name_belongs_to_its_tenant_and_ends_with_its_session() {
    let (_world, server) = World::with_server().await;
    let request = CreateSession::default();
    let called = async |cx: &control::OpContext| server.control.find_or_create_session(cx, "name", &request).await.unwrap().id;
    let ours = called(&server.cx).await;
    let stranger = server.stranger("other").await;
    assert_eq!(server.control.session_called(&stranger, "name"), None);
    let theirs = called(&stranger).await;
    assert_ne!(ours, theirs);

    server.control.delete_session(&server.cx, &ours, true).await.unwrap();
    assert_eq!(server.control.session_called(&server.cx, "name"), None);
    assert_ne!(called(&server.cx).await, ours, "a new one");
    assert_eq!(called(&stranger).await, theirs, "untouched");
}

#[tokio::test]
async fn names_outlive_the_server() {
    let (world, server) = World::with_server().await;
    let id = server.control.find_or_create_session(&server.cx, "", &CreateSession::default()).await.unwrap().id;
    server.control.drain().await;
    drop(server);
    let server = world.start().await;
    assert_eq!(server.control.session_called(&server.cx, ""), Some(id));
}

#[tokio::test]
async fn limits_hold_and_a_failure_leaves_nothing() {
    let mut world = World::new();
    world.config.sessions_per_tenant = 1;
    let server = world.start().await;
    let request = CreateSession::default();
    let find = async |name: &str| server.control.find_or_create_session(&server.cx, name, &request).await;
    find("a").await.unwrap();
    assert_fault(find("b").await, ErrorCode::ResourceExhausted, "its limit");
    find("a").await.unwrap();
    for bad in ["x".repeat(257), "a\nb".to_owned()] {
        assert_fault(find(&bad).await, ErrorCode::InvalidArgument, "name");
    }
    let id = server.control.session_called(&server.cx, "a").unwrap();
    server.control.delete_session(&server.cx, &id, true).await.unwrap();
    world.runtime.fail_next(runtime::sim::SimOp::Create, [runtime::sim::SimFault::Before]);
    assert_fault(find("a").await, ErrorCode::Unavailable, "back end");
    eventually("another try", async || find("a").await.is_ok()).await;
}

#[tokio::test]
async fn two_rows_with_one_name_do_not_keep_a_server_from_starting() {
    let (world, server) = World::with_server().await;
    let old = server.control.find_or_create_session(&server.cx, "twice", &CreateSession::default()).await.unwrap().id;
    let mut row = server.row(&old).await;
    // As when the server died between the end of the one and the word of it in its row.
    row.id = "session-a234567a234567a234567".parse().unwrap();
    let sandbox: types::SandboxId = "sb-a234567a234567".parse().unwrap();
    let spec = SandboxSpec { id: sandbox.clone(), image: row.image.clone(), limits: Default::default(), output: Default::default() };
    world.runtime.create(spec).await.unwrap();
    row.sandbox = Some(sandbox);
    row.created_at += std::time::Duration::from_secs(60);
    server.store.add_session(&row).await.unwrap();
    server.control.drain().await;
    drop(server);
    let server = world.start().await;
    assert_eq!(server.control.session_called(&server.cx, "twice"), Some(row.id));
    assert!(server.control.session(&server.cx, &old).await.is_ok(), "found by its id");
}
