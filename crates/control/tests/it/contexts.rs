//! Contexts without sessions.

use crate::support::{Server, World, assert_fault, eventually};
use bytes::Bytes;
use control::{ContextLimits, ContextView, Entry, FilesPart, OpContext};
use futures::{StreamExt, stream};
use std::time::Duration;
use store::{StoreFault, StoreOp};
use tokio::sync::mpsc;
use types::{ContextId, ContextPath, ContextState, ErrorCode, Fault};

fn path(text: &str) -> ContextPath {
    ContextPath::file(text).unwrap()
}

impl Server {
    async fn context(&self, name: &str) -> ContextView {
        self.control.contexts(&self.cx).get_or_create(name).await.unwrap().0
    }

    async fn put(&self, id: &ContextId, name: &str, bytes: &[u8]) -> Result<u64, Fault> {
        let pieces = stream::iter(vec![Ok(Bytes::copy_from_slice(bytes))]);
        self.control.contexts(&self.cx).write(id, &path(name), Some(bytes.len() as u64), pieces).await.map(|meta| meta.size)
    }

    async fn got(&self, id: &ContextId, name: &str) -> Result<Vec<u8>, Fault> {
        let read = self.control.contexts(&self.cx).read(id, &path(name), None).await?;
        Ok(read.bytes.map(|piece| piece.unwrap().to_vec()).concat().await)
    }

    async fn usage(&self, id: &ContextId) -> (u64, u64) {
        let view = self.control.contexts(&self.cx).get(id).await.unwrap();
        (view.files, view.bytes)
    }

    async fn names(&self, id: &ContextId, folder: &str) -> Vec<String> {
        let part = FilesPart::After { cursor: None, limit: 1000 };
        let page = self.control.contexts(&self.cx).files(id, folder, part).await.unwrap();
        page.entries.iter().map(|entry| entry.path().to_string()).collect()
    }

    async fn state(&self, id: &ContextId) -> Option<ContextState> {
        self.control.contexts(&self.cx).get(id).await.ok().map(|view| view.state)
    }
}

#[tokio::test]
async fn a_context_is_made_found_renamed_and_deleted() {
    let (world, server) = World::with_server().await;
    let contexts = server.control.contexts(&server.cx);
    assert_eq!(contexts.called("data").await.unwrap(), None);
    let made = futures::future::join_all((0..5).map(|_| contexts.get_or_create("data"))).await;
    let made: Vec<_> = made.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(made.iter().filter(|(_, new)| *new).count(), 1, "callers that come at once get the same one");
    let view = made[0].0.clone();
    assert!(made.iter().all(|(other, _)| other.id == view.id));
    assert!(view.id.as_str().starts_with("SdkCtx-"));
    assert_eq!((view.state, view.files), (ContextState::Available, 0));

    server.put(&view.id, "/a/b", b"kept").await.unwrap();
    let renamed = contexts.rename(&view.id, "other").await.unwrap();
    assert_eq!((renamed.name.as_str(), contexts.called("data").await.unwrap()), ("other", None));
    assert_eq!(server.got(&view.id, "/a/b").await.unwrap(), b"kept");
    let twin = server.context("twin").await;
    assert_fault(contexts.rename(&twin.id, "other").await, ErrorCode::FailedPrecondition, "another name");
    for bad in ["", "  ", "a\nb", &"x".repeat(257)] {
        assert_fault(contexts.get_or_create(bad).await, ErrorCode::InvalidArgument, "name");
        assert_fault(contexts.rename(&twin.id, bad).await, ErrorCode::InvalidArgument, "name");
    }

    contexts.delete(&view.id).await.unwrap();
    assert_fault(contexts.get(&view.id).await, ErrorCode::NotFound, "not found");
    assert_fault(contexts.delete(&view.id).await, ErrorCode::NotFound, "not found");
    let again = server.context("other").await;
    assert_ne!(again.id, view.id, "the name is free, the data is gone");
    assert_eq!(server.names(&again.id, "/").await, [""; 0]);
    let object = world.object(&server.cx, &view.id, "/a/b");
    eventually("the object is removed", async || !object.exists()).await;
}

#[tokio::test]
async fn strangers_find_nothing() {
    let (_world, server) = World::with_server().await;
    let view = server.context("data").await;
    server.put(&view.id, "/a", b"ours").await.unwrap();
    let stranger: OpContext = server.stranger("other").await;
    let (theirs, id) = (server.control.contexts(&stranger), &view.id);
    let unknown: ContextId = "SdkCtx-unknown".parse().unwrap();
    let page = || FilesPart::Page { number: 1, size: 10 };
    // A foreign context and one that never was are told apart by nothing but the id in the text.
    for id in [id, &unknown] {
        let wanted = format!("context {:?} was not found: it does not exist or has been deleted", id.as_str());
        let told = [
            theirs.get(id).await.map(drop),
            theirs.rename(id, "x").await.map(drop),
            theirs.clear(id).await,
            theirs.delete(id).await,
            theirs.files(id, "", page()).await.map(drop),
            theirs.file(id, &path("/a")).await.map(drop),
            theirs.read(id, &path("/a"), None).await.map(drop),
            theirs.delete_file(id, &path("/a")).await,
            theirs.check_writable(id).await,
            theirs.write(id, &path("/a"), None, stream::iter(vec![Ok(Bytes::from_static(b"x"))])).await.map(drop),
        ];
        for told in told {
            let fault = told.unwrap_err();
            assert_eq!((fault.code(), fault.message()), (ErrorCode::NotFound, wanted.as_str()));
        }
    }
    assert_eq!((theirs.called("data").await.unwrap(), theirs.list(10, None).await.unwrap().total), (None, 0));
    assert_eq!(server.got(id, "/a").await.unwrap(), b"ours");
}

#[tokio::test]
async fn contexts_are_listed_in_pages() {
    let (world, server) = World::with_server().await;
    let mut names = Vec::new();
    for n in 0..7 {
        world.clock.advance(Duration::from_secs(1));
        names.insert(0, server.context(&format!("c{n}")).await.name);
    }
    let contexts = server.control.contexts(&server.cx);
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = contexts.list(3, cursor.as_deref()).await.unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.contexts.into_iter().map(|view| view.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, names);
    let cursor = contexts.list(3, None).await.unwrap().next_cursor;
    let stranger = server.stranger("other").await;
    for refused in [server.control.contexts(&stranger).list(3, cursor.as_deref()).await, contexts.list(3, Some("x")).await] {
        assert_fault(refused, ErrorCode::InvalidArgument, "cursor");
    }
    assert_fault(contexts.list(0, None).await, ErrorCode::InvalidArgument, "1 to 1000");
}

#[tokio::test]
async fn ten_thousand_files_are_listed_both_ways() {
    let (world, server) = World::with_server().await;
    let view = server.context("many").await;
    // As somebody else puts them into the store; one that goes the usual way makes the folder.
    server.put(&view.id, "/d/00000", b"x").await.unwrap();
    let folder = world.object(&server.cx, &view.id, "/d");
    for n in 1..10_000 {
        std::fs::write(folder.join(format!("{n:05}")), "y").unwrap();
    }
    let contexts = server.control.contexts(&server.cx);
    let name = |entry: &Entry| entry.path().name().to_owned();
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = contexts.files(&view.id, "/d/", FilesPart::After { cursor, limit: 1000 }).await.unwrap();
        assert_eq!(page.total, 10_000);
        seen.extend(page.entries.iter().map(name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen.iter().eq((0..10_000).map(|n| format!("{n:05}")).collect::<Vec<_>>().iter()));
    let numbered = async |number| contexts.files(&view.id, "d", FilesPart::Page { number, size: 50 }).await;
    let page = numbered(200).await.unwrap();
    assert_eq!((page.entries.len(), name(&page.entries[0]), page.next_cursor.is_none()), (50, "09950".into(), true));
    assert_eq!(numbered(201).await.unwrap().entries, []);
    assert_eq!(numbered(u64::MAX).await.unwrap().entries, []);
    assert_fault(numbered(0).await, ErrorCode::InvalidArgument, "from 1 on");

    let cursor = contexts.files(&view.id, "/d", FilesPart::After { cursor: None, limit: 1 }).await.unwrap().next_cursor;
    let elsewhere = contexts.files(&view.id, "/", FilesPart::After { cursor, limit: 1 }).await;
    assert_fault(elsewhere, ErrorCode::InvalidArgument, "cursor");
}

#[tokio::test]
async fn files_are_written_counted_and_removed() {
    let (world, server) = World::with_server().await;
    let view = server.context("data").await;
    let id = &view.id;
    assert_eq!(server.put(id, "/a", b"12345").await.unwrap(), 5);
    server.put(id, "/d/b", b"1").await.unwrap();
    assert_eq!(server.usage(id).await, (2, 6));
    server.put(id, "/a", b"12").await.unwrap();
    assert_eq!((server.usage(id).await, std::fs::read(world.object(&server.cx, id, "/a")).unwrap()), ((2, 3), b"12".to_vec()));
    let contexts = server.control.contexts(&server.cx);
    contexts.delete_file(id, &path("/a")).await.unwrap();
    assert_fault(contexts.delete_file(id, &path("/a")).await, ErrorCode::NotFound, "/a");
    assert_eq!((server.usage(id).await, server.names(id, "/").await), ((1, 1), vec!["/d".to_owned()]));
    assert_fault(server.put(id, "/d/b/c", b"x").await, ErrorCode::FailedPrecondition, "/d/b/c");
    assert_eq!(server.usage(id).await, (1, 1));

    // Many at once, among them to one path: the count is right all the same.
    let to = &server;
    let puts = (0..40).map(|n| async move { to.put(id, &format!("/many/{}", n % 20), &vec![b'x'; n + 1]).await.unwrap() });
    futures::future::join_all(puts.collect::<Vec<_>>()).await;
    let counted = server.usage(id).await;
    let sizes = (0..20).map(|n| std::fs::metadata(world.object(&server.cx, id, &format!("/many/{n}"))).unwrap().len());
    assert_eq!(counted, (21, 1 + sizes.sum::<u64>()));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_what_was_there() {
    let (_world, server) = World::with_server().await;
    let view = server.context("data").await;
    let (id, contexts) = (&view.id, server.control.contexts(&server.cx));
    server.put(id, "/a", b"before").await.unwrap();
    let broken = || vec![Ok(Bytes::from(vec![0; 7 << 20])), Err(Fault::invalid("the client left"))];
    let two = || vec![Ok(Bytes::from_static(b"12"))];
    assert_fault(contexts.write(id, &path("/a"), None, stream::iter(broken())).await, ErrorCode::InvalidArgument, "client left");
    assert_fault(contexts.write(id, &path("/a"), Some(3), stream::iter(two())).await, ErrorCode::InvalidArgument, "2 bytes came of the 3");
    assert_fault(contexts.write(id, &path("/a"), Some(1), stream::iter(two())).await, ErrorCode::InvalidArgument, "more bytes");
    assert_eq!((server.got(id, "/a").await.unwrap(), server.usage(id).await), (b"before".to_vec(), (1, 6)));
    assert_eq!(server.names(id, "/").await, ["/a"]);
}

#[tokio::test]
async fn clearing_refuses_writes_and_beats_those_under_way() {
    let (world, server) = World::with_server().await;
    let view = server.context("data").await;
    let (id, contexts) = (&view.id, server.control.contexts(&server.cx));
    server.put(id, "/a", b"old").await.unwrap();
    let (pieces, rest) = mpsc::channel::<Result<Bytes, Fault>>(1);
    let slow = stream::unfold(rest, |mut rest| async move { rest.recv().await.map(|piece| (piece, rest)) });
    let (control, cx, of) = (server.control.clone(), server.cx.clone(), id.clone());
    let upload = tokio::spawn(async move { control.contexts(&cx).write(&of, &path("/late"), None, Box::pin(slow)).await });
    pieces.send(Ok(Bytes::from_static(b"late"))).await.unwrap();
    pieces.send(Ok(Bytes::from_static(b"r"))).await.unwrap();

    contexts.clear(id).await.unwrap();
    eventually("the context is available", async || server.state(id).await == Some(ContextState::Available)).await;
    assert_eq!((server.names(id, "/").await, server.usage(id).await), (vec![], (0, 0)));
    assert!(!world.object(&server.cx, id, "/a").exists());
    server.put(id, "/new", b"new").await.unwrap();
    drop(pieces);
    assert_fault(upload.await.unwrap(), ErrorCode::FailedPrecondition, "was cleared or deleted");
    assert_eq!((server.names(id, "/").await, server.usage(id).await), (vec!["/new".to_owned()], (1, 3)));
}

#[tokio::test]
async fn what_comes_at_once_after_a_clearing_does_not_meet_its_end() {
    let (_world, server) = World::with_server().await;
    let contexts = server.control.contexts(&server.cx);
    for n in 0..30 {
        let id = server.context(&format!("data-{n}")).await.id;
        contexts.clear(&id).await.unwrap();
        for again in 0..3 {
            contexts.rename(&id, &format!("renamed-{n}-{again}")).await.unwrap();
        }
        contexts.delete(&id).await.unwrap();
        assert_fault(contexts.get(&id).await, ErrorCode::NotFound, id.as_str());
    }
}

#[tokio::test]
async fn a_clearing_is_seen_and_goes_on_after_a_restart() {
    let (world, server) = World::with_server().await;
    let view = server.context("data").await;
    server.put(&view.id, "/d/a", b"old").await.unwrap();
    // A folder that the server cannot enter: the store is not to be had for a while.
    let blocked = world.block(&server.cx, &view.id);
    let contexts = server.control.contexts(&server.cx);
    contexts.clear(&view.id).await.unwrap();
    contexts.clear(&view.id).await.unwrap();
    assert_eq!(server.state(&view.id).await, Some(ContextState::Clearing));
    assert_fault(server.put(&view.id, "/b", b"x").await, ErrorCode::FailedPrecondition, "being cleared");
    assert_fault(contexts.delete_file(&view.id, &path("/d/a")).await, ErrorCode::FailedPrecondition, "being cleared");
    drop(server);

    let server = world.start().await;
    assert_eq!(server.state(&view.id).await, Some(ContextState::Clearing));
    drop(blocked);
    eventually("the context is available", async || server.state(&view.id).await == Some(ContextState::Available)).await;
    assert_eq!(server.names(&view.id, "/").await, [""; 0]);
    server.put(&view.id, "/b", b"x").await.unwrap();
}

#[tokio::test]
async fn a_crash_between_the_bytes_and_the_row_is_counted_at_the_next_start() {
    let (world, server) = World::with_server().await;
    let view = server.context("data").await;
    server.put(&view.id, "/a", b"123").await.unwrap();
    // The row does not hear of these: as when the server is killed right after the bytes are there.
    server.store.fail_next(StoreOp::EndContextWrite, [StoreFault::Before; 2]);
    server.put(&view.id, "/b", b"4567").await.unwrap();
    server.put(&view.id, "/a", b"1").await.unwrap();
    assert_eq!(server.usage(&view.id).await, (1, 3));
    std::fs::write(world.object(&server.cx, &view.id, "/half#1"), "ha").unwrap();
    drop(server);

    let server = world.start().await;
    eventually("the count is right", async || server.usage(&view.id).await == (2, 5)).await;
    assert_eq!(server.got(&view.id, "/b").await.unwrap(), b"4567", "what was reported as saved is there");
    assert!(!world.object(&server.cx, &view.id, "/half#1").exists());
}

#[tokio::test]
async fn quotas_are_told_by_name() {
    let mut world = World::new();
    world.config.contexts = ContextLimits { per_tenant: 2, bytes_per_tenant: 100, files_per_context: 3, file_bytes: 60, writes_at_once: 4 };
    let server = world.start().await;
    let (one, two) = (server.context("one").await, server.context("two").await);
    let contexts = server.control.contexts(&server.cx);
    assert_fault(contexts.get_or_create("three").await, ErrorCode::ResourceExhausted, "2 are allowed");
    assert_eq!(contexts.get_or_create("two").await.unwrap().0, two);

    assert_fault(server.put(&one.id, "/big", &[0; 61]).await, ErrorCode::InvalidArgument, "may have 60");
    let unknown = stream::iter(vec![Ok(Bytes::from(vec![0; 61]))]);
    assert_fault(contexts.write(&one.id, &path("/big"), None, unknown).await, ErrorCode::InvalidArgument, "may have 60");
    server.put(&one.id, "/a", &[0; 60]).await.unwrap();
    assert_fault(server.put(&two.id, "/b", &[0; 41]).await, ErrorCode::ResourceExhausted, "100 bytes in all");
    let unknown = stream::iter(vec![Ok(Bytes::from(vec![0; 30])), Ok(Bytes::from(vec![0; 11]))]);
    assert_fault(contexts.write(&two.id, &path("/b"), None, unknown).await, ErrorCode::ResourceExhausted, "100 bytes in all");
    server.put(&two.id, "/b", &[0; 40]).await.unwrap();
    server.put(&one.id, "/a", &[1; 60]).await.unwrap();
    contexts.delete_file(&one.id, &path("/a")).await.unwrap();
    for n in 0..3 {
        server.put(&one.id, &format!("/{n}"), b"x").await.unwrap();
    }
    assert_fault(server.put(&one.id, "/3", b"x").await, ErrorCode::ResourceExhausted, "3 files");
    server.put(&one.id, "/2", b"y").await.unwrap();
    let stranger = server.stranger("other").await;
    assert!(server.control.contexts(&stranger).get_or_create("theirs").await.is_ok(), "another tenant has a limit of its own");
}
