//! Creating, deleting and ending by itself.

use crate::support::{World, alive, assert_fault, eventually, image, shell};
use control::{CreateSession, Lifetime};
use futures::FutureExt;
use protocol::StreamOpen;
use runtime::sim::{SimFault, SimOp};
use std::time::Duration;
use store::{MetadataStore, StoreFault, StoreOp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::{EndReason, ErrorCode, Labels, SessionState};

const MINUTE: Duration = Duration::from_secs(60);

fn limits(idle: Option<Duration>, max_life: Option<Duration>) -> CreateSession {
    CreateSession { lifetime: Lifetime::Limits { idle, max_life }, ..Default::default() }
}

#[tokio::test]
async fn a_session_can_be_used_when_create_returns_and_is_gone_when_delete_returns() {
    let (world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    assert_eq!(session.state, SessionState::Running);
    assert_eq!(session.sandbox.as_ref().unwrap().layers, ["simulated"]);
    assert_eq!(server.row(&session.id).await.state, SessionState::Running);
    assert_eq!(server.control.session(&server.cx, &session.id).await.unwrap(), session);

    server.control.delete_session(&server.cx, &session.id, true).await.unwrap();
    assert_eq!(alive(&world).await, 0);
    let row = server.row(&session.id).await;
    assert_eq!((row.state, row.end_reason, row.ended_at.is_some()), (SessionState::Finished, Some(EndReason::Deleted), true));
}

#[tokio::test]
async fn an_accepted_deletion_hides_the_session_at_once_and_is_finished_later() {
    let (world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    let held = world.runtime.hold(SimOp::Destroy).await;
    server.control.delete_session(&server.cx, &session.id, false).await.unwrap();

    assert_eq!(server.row(&session.id).await.state, SessionState::Deleting);
    let gone = ErrorCode::NotFound;
    let (control, cx, id) = (&server.control, &server.cx, &session.id);
    assert_fault(control.session(cx, id).await, gone, id.as_str());
    assert_fault(control.touch_session(cx, id).await, gone, id.as_str());
    assert_fault(control.delete_session(cx, id, true).await, gone, id.as_str());
    assert_fault(control.call_tool(cx, id, shell("true")).await, gone, id.as_str());
    assert_fault(control.open_stream(cx, id, StreamOpen::Tunnel { port: 80 }).await, gone, id.as_str());
    let request = control::ListSessions { limit: 10, ..Default::default() };
    assert_eq!(control.list_sessions(cx, request).await.unwrap().sessions, vec![]);

    drop(held);
    eventually("the end", async || server.row(id).await.state == SessionState::Finished).await;
    assert_eq!(alive(&world).await, 0);
}

#[tokio::test]
async fn a_deletion_goes_through_whatever_fails_on_the_way() {
    let (world, server) = World::with_server().await;
    for faults in [vec![SimFault::Before; 5], vec![SimFault::After; 3]] {
        let session = server.create(CreateSession::default()).await;
        world.runtime.fail_next(SimOp::Destroy, faults);
        server.control.delete_session(&server.cx, &session.id, true).await.unwrap();
        assert_eq!(alive(&world).await, 0);
    }
}

#[tokio::test]
async fn a_deletion_goes_through_when_its_caller_leaves() {
    let (world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    // Polled once: the question is asked, the answer is never read.
    assert!(server.control.delete_session(&server.cx, &session.id, true).now_or_never().is_none());
    eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
    assert_eq!(alive(&world).await, 0);
}

#[tokio::test]
async fn a_failed_creation_leaves_nothing_behind() {
    let (world, server) = World::with_server().await;
    for fault in [SimFault::Before, SimFault::After] {
        world.runtime.fail_next(SimOp::Create, [fault]);
        let result = server.control.create_session(&server.cx, CreateSession::default()).await;
        assert_fault(result, ErrorCode::Unavailable, "creating a session");
        eventually("no sandbox", async || alive(&world).await == 0).await;
        eventually("no live row", async || server.store.count_live(&server.cx.identity.tenant).await.unwrap() == 0).await;
    }
    server.create(CreateSession::default()).await;
}

#[tokio::test]
async fn a_creation_that_the_database_fails_leaves_nothing_behind() {
    use StoreFault::{After, Before};
    let (world, server) = World::with_server().await;
    for (op, fault) in
        [(StoreOp::AddSession, Before), (StoreOp::AddSession, After), (StoreOp::ChangeSession, Before), (StoreOp::ChangeSession, After)]
    {
        server.store.fail_next(op, [fault]);
        let result = server.control.create_session(&server.cx, CreateSession::default()).await;
        assert_fault(result, ErrorCode::Internal, "creating a session");
        eventually("no sandbox", async || alive(&world).await == 0).await;
        eventually("no live row", async || server.store.count_live(&server.cx.identity.tenant).await.unwrap() == 0).await;
    }
}

#[tokio::test]
async fn a_deletion_that_cannot_be_recorded_says_so_and_goes_on() {
    use StoreFault::{After, Before, None};
    let (world, server) = World::with_server().await;
    // The first write says `deleting`, the next one `finished`.
    for (faults, reported) in [(vec![Before, Before], true), (vec![After], true), (vec![None, Before, After], false)] {
        let session = server.create(CreateSession::default()).await;
        server.store.fail_next(StoreOp::ChangeSession, faults);
        let result = server.control.delete_session(&server.cx, &session.id, false).await;
        assert_eq!(result.map_err(|fault| fault.code()).err(), reported.then_some(ErrorCode::Internal));
        assert_fault(server.control.session(&server.cx, &session.id).await, ErrorCode::NotFound, "released");
        eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
        assert_eq!(alive(&world).await, 0);
    }
}

#[tokio::test]
async fn a_creation_whose_caller_left_is_undone() {
    let (world, server) = World::with_server().await;
    let held = world.runtime.hold(SimOp::Create).await;
    assert!(server.control.create_session(&server.cx, CreateSession::default()).now_or_never().is_none());
    eventually("its row", async || server.store.count_live(&server.cx.identity.tenant).await.unwrap() == 1).await;
    drop(held);
    eventually("no live row", async || server.store.count_live(&server.cx.identity.tenant).await.unwrap() == 0).await;
    eventually("no sandbox", async || alive(&world).await == 0).await;
}

#[tokio::test]
async fn unknown_images_are_refused_with_the_known_ones_and_new_ones_are_found() {
    let (world, server) = World::with_server().await;
    let request = |image: &str| CreateSession { image: Some(image.into()), ..Default::default() };
    for name in ["nope", "", "../etc", &"x".repeat(500)] {
        let result = server.control.create_session(&server.cx, request(name)).await;
        assert_fault(result, ErrorCode::InvalidArgument, "it has: linux_latest");
    }
    world.runtime.set_images(vec![image("fresh", &[])]);
    assert_eq!(server.create(request("fresh")).await.image.as_str(), "fresh");
    // Still remembered, but the back end does not have it any more.
    world.runtime.set_images(vec![image("other", &[])]);
    let result = server.control.create_session(&server.cx, request("fresh")).await;
    assert_fault(result, ErrorCode::InvalidArgument, "it has: other");
}

#[tokio::test]
async fn a_tenant_has_at_most_its_limit_of_sessions_however_many_are_asked_for_at_once() {
    let mut world = World::new();
    world.config.sessions_per_tenant = 5;
    let server = world.start().await;
    let results = futures::future::join_all((0..20).map(|_| server.control.create_session(&server.cx, CreateSession::default()))).await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len(), alive(&world).await), (5, 15, 5));
    for result in refused {
        assert_fault(result, ErrorCode::ResourceExhausted, "5 live sessions");
    }
    let other = server.stranger("other").await;
    server.control.create_session(&other, CreateSession::default()).await.unwrap();
    server.control.delete_session(&server.cx, &made[0].as_ref().unwrap().id, false).await.unwrap();
    server.create(CreateSession::default()).await;
}

#[tokio::test]
async fn idle_sessions_end_and_only_activity_keeps_them() {
    let (world, server) = World::with_server().await;
    let polled = server.create(limits(Some(MINUTE), None)).await;
    let kept = server.create(limits(Some(MINUTE), None)).await;
    let called = server.create(limits(Some(MINUTE), None)).await;
    let manual = server.create(CreateSession { lifetime: Lifetime::Manual, ..Default::default() }).await;
    for _ in 0..3 {
        world.clock.advance(MINUTE / 2 - Duration::from_millis(1));
        let _ = server.control.session(&server.cx, &polled.id).await;
        server.control.touch_session(&server.cx, &kept.id).await.unwrap();
        server.shell(&called.id, "true").await.unwrap().unwrap();
    }
    eventually("the idle one's end", async || server.row(&polled.id).await.state == SessionState::Finished).await;
    assert_eq!(server.row(&polled.id).await.end_reason, Some(EndReason::Idle));
    for session in [&kept, &called, &manual] {
        assert!(server.control.session(&server.cx, &session.id).await.is_ok());
    }
    world.clock.advance(1000 * MINUTE);
    eventually("the others' end", async || alive(&world).await == 1).await;
    assert!(server.control.session(&server.cx, &manual.id).await.is_ok());
}

#[tokio::test]
async fn a_running_call_keeps_the_session_from_idling_but_not_from_its_maximum_life() {
    let (world, server) = World::with_server().await;
    let session = server.create(limits(Some(MINUTE), Some(60 * MINUTE))).await;
    let call = server.shell(&session.id, "hold");
    let script = async {
        world.guests.held().await;
        world.clock.advance(30 * MINUTE);
        // The owner looks at the clock every 2 ms; that it does not act can only be seen by waiting a little.
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(server.control.session(&server.cx, &session.id).await.is_ok());
        world.clock.advance(31 * MINUTE);
    };
    let (result, ()) = tokio::join!(call, script);
    assert_fault(result, ErrorCode::NotFound, "released while the call ran");
    eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
    assert_eq!(server.row(&session.id).await.end_reason, Some(EndReason::MaxLife));
}

#[tokio::test]
async fn bytes_through_a_tunnel_are_activity_and_silence_is_not() {
    let (world, server) = World::with_server().await;
    world.runtime.listen(8080);
    let session = server.create(limits(Some(MINUTE), None)).await;
    assert_fault(
        server.control.open_stream(&server.cx, &session.id, StreamOpen::Tunnel { port: 0 }).await,
        ErrorCode::InvalidArgument,
        "between 1 and 65535",
    );
    assert_fault(
        server.control.open_stream(&server.cx, &session.id, StreamOpen::Tunnel { port: 81 }).await,
        ErrorCode::Unavailable,
        "nothing listens on port 81",
    );
    let mut tunnel = server.control.open_stream(&server.cx, &session.id, StreamOpen::Tunnel { port: 8080 }).await.unwrap();
    for _ in 0..3 {
        world.clock.advance(MINUTE / 2);
        tunnel.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        tunnel.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
    }
    assert!(server.control.session(&server.cx, &session.id).await.is_ok());
    world.clock.advance(2 * MINUTE);
    eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
}

#[tokio::test]
async fn labels_are_replaced_as_a_whole_and_an_empty_set_is_refused() {
    let (_world, server) = World::with_server().await;
    let set = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()))).unwrap();
    let session = server.create(CreateSession { labels: set(&[("a", "1"), ("b", "2")]), ..Default::default() }).await;
    server.control.set_labels(&server.cx, &session.id, set(&[("c", "3")])).await.unwrap();
    assert_eq!(server.control.session(&server.cx, &session.id).await.unwrap().labels, set(&[("c", "3")]));
    assert_eq!(server.row(&session.id).await.labels, set(&[("c", "3")]));
    let refused = server.control.set_labels(&server.cx, &session.id, Labels::default()).await;
    assert_fault(refused, ErrorCode::InvalidArgument, "at least one");
}

#[tokio::test]
async fn a_tenant_cannot_tell_a_foreign_session_from_none() {
    let (_world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    let (control, cx) = (&server.control, server.stranger("other").await);
    let labels = Labels::new([("a".to_owned(), "b".to_owned())]).unwrap();
    let unknown = "session-nosuch".parse().unwrap();
    let mut seen = Vec::new();
    for id in [&session.id, &unknown] {
        let texts = [
            control.session(&cx, id).await.map(drop),
            control.touch_session(&cx, id).await,
            control.set_labels(&cx, id, labels.clone()).await,
            control.call_tool(&cx, id, shell("true")).await.map(drop),
            control.open_stream(&cx, id, StreamOpen::Tunnel { port: 80 }).await.map(drop),
            control.delete_session(&cx, id, true).await,
        ]
        .map(|result| {
            let fault = result.unwrap_err();
            (fault.code(), fault.message().replace(id.as_str(), "ID"))
        });
        seen.push(texts);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(control.session(&server.cx, &session.id).await.is_ok(), "untouched");
}

#[tokio::test]
async fn shutting_down_ends_every_session_and_takes_no_new_one() {
    let (world, server) = World::with_server().await;
    let stranger = server.stranger("other").await;
    let first = server.create(CreateSession::default()).await;
    server.create(CreateSession::default()).await;
    server.control.create_session(&stranger, CreateSession::default()).await.unwrap();
    assert_fault(server.control.shut_down(&stranger).await, ErrorCode::PermissionDenied, "admin");
    assert_eq!(server.control.shut_down(&server.cx).await.unwrap(), 3);
    assert_eq!(alive(&world).await, 0);
    assert_eq!(server.row(&first.id).await.end_reason, Some(EndReason::Shutdown));
    let refused = server.control.create_session(&server.cx, CreateSession::default()).await;
    assert_fault(refused, ErrorCode::Unavailable, "stopping");
    server.control.drain().await;
}

#[tokio::test]
async fn a_sandbox_that_died_unnoticed_is_noticed() {
    let mut world = World::new();
    world.config.timings.reconcile_period = Duration::from_millis(2);
    let server = world.start().await;
    let (dead, healthy) = (server.create(CreateSession::default()).await, server.create(CreateSession::default()).await);
    world.runtime.kill(&dead.sandbox.unwrap().id);
    eventually("the end", async || server.row(&dead.id).await.state == SessionState::Finished).await;
    assert_eq!(server.row(&dead.id).await.end_reason, Some(EndReason::SandboxLost));
    assert!(server.control.session(&server.cx, &healthy.id).await.is_ok());
}
