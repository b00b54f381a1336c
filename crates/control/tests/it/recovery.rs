//! Servers that are killed, and those that follow them.
//!
//! A server is killed by dropping the Tokio runtime that it runs in: every task ends where it waits.

use crate::support::{Server, World, alive, eventually};
use control::{CreateSession, Lifetime, ListSessions};
use futures::FutureExt;
use runtime::sim::{SimFault, SimOp};
use runtime::{Runtime, SandboxSpec};
use std::time::Duration;
use store::{MetadataStore, PageQuery};
use types::{EndReason, SandboxLimits, SessionState};

/// Runs `work` on a server of its own and kills the server then.
fn on_a_server<T>(world: &World, work: impl AsyncFnOnce(&Server) -> T) -> T {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (server, result) = tokio.block_on(async {
        let server = world.start().await;
        let result = work(&server).await;
        (server, result)
    });
    tokio.shutdown_background();
    drop(server);
    result
}

fn spec(id: &str) -> SandboxSpec {
    let image = "linux_latest".parse().unwrap();
    SandboxSpec { id: id.parse().unwrap(), image, limits: SandboxLimits::default(), output: Default::default() }
}

fn idle(seconds: u64) -> CreateSession {
    let lifetime = Lifetime::Limits { idle: Some(Duration::from_secs(seconds)), max_life: None };
    CreateSession { lifetime, ..Default::default() }
}

#[test]
fn sessions_survive_the_death_of_the_server() {
    let world = World::new();
    let session = on_a_server(&world, async |server| server.create(idle(3600)).await);
    on_a_server(&world, async |server| {
        let found = server.control.session(&server.cx, &session.id).await.unwrap();
        assert_eq!(found, session);
        server.shell(&session.id, "true").await.unwrap().unwrap();
        assert_eq!(server.row(&session.id).await.epoch, 2);
        server.control.delete_session(&server.cx, &session.id, true).await.unwrap();
    });
    assert!(world.runtime.alive().is_empty());
}

#[test]
fn a_session_whose_sandbox_died_meanwhile_has_ended_when_the_server_is_back() {
    let world = World::new();
    let session = on_a_server(&world, async |server| server.create(idle(3600)).await);
    world.runtime.kill(&session.sandbox.unwrap().id);
    on_a_server(&world, async |server| {
        let page = server.control.list_sessions(&server.cx, ListSessions { limit: 10, ..Default::default() }).await.unwrap();
        assert_eq!((page.sessions.len(), page.total), (0, 0));
        eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
        assert_eq!(server.row(&session.id).await.end_reason, Some(EndReason::SandboxLost));
    });
}

#[test]
fn half_made_sessions_are_rolled_back() {
    let world = World::new();
    let (row, held) = on_a_server(&world, async |server| {
        let held = world.runtime.hold(SimOp::Create).await;
        assert!(server.control.create_session(&server.cx, CreateSession::default()).now_or_never().is_none());
        let (tenant, all) = (server.cx.identity.tenant.clone(), PageQuery { limit: 1, ..Default::default() });
        eventually("its row", async || server.store.count_live(&tenant).await.unwrap() == 1).await;
        (server.store.page_sessions(&tenant, &all).await.unwrap().rows.remove(0), held)
    });
    drop(held);
    assert_eq!(row.state, SessionState::Creating);
    // The back end did not notice the death of who asked it, and made the sandbox all the same.
    futures::executor::block_on(world.runtime.create(spec(row.sandbox.as_ref().unwrap().as_str()))).unwrap();
    on_a_server(&world, async |server| {
        assert_eq!(server.store.count_live(&row.tenant).await.unwrap(), 0);
        eventually("the end", async || server.row(&row.id).await.state == SessionState::Finished).await;
        assert_eq!(server.row(&row.id).await.end_reason, Some(EndReason::CreateFailed));
        assert_eq!(alive(&world).await, 0);
    });
}

#[test]
fn half_deleted_sessions_are_finished_with_their_reason() {
    let world = World::new();
    let id = on_a_server(&world, async |server| {
        let session = server.create(idle(60)).await;
        world.runtime.fail_next(SimOp::Destroy, vec![SimFault::Before; 1000]);
        world.clock.advance(Duration::from_secs(61));
        eventually("deleting", async || server.row(&session.id).await.state == SessionState::Deleting).await;
        session.id
    });
    world.runtime.calm();
    on_a_server(&world, async |server| {
        eventually("the end", async || server.row(&id).await.state == SessionState::Finished).await;
        assert_eq!(server.row(&id).await.end_reason, Some(EndReason::Idle));
        assert_eq!(alive(&world).await, 0);
    });
}

#[test]
fn sandboxes_that_no_row_knows_are_destroyed_and_others_are_not() {
    let world = World::new();
    let session = on_a_server(&world, async |server| {
        world.runtime.create(spec("sb-stray")).await.unwrap();
        server.create(idle(3600)).await
    });
    on_a_server(&world, async |_| eventually("one sandbox", async || alive(&world).await == 1).await);
    assert_eq!(world.runtime.alive(), [session.sandbox.unwrap().id]);
}

#[test]
fn deadlines_hold_across_a_restart() {
    let world = World::new();
    let (short, long) = on_a_server(&world, async |server| {
        let (short, long) = (server.create(idle(60)).await, server.create(idle(600)).await);
        world.clock.advance(Duration::from_secs(50));
        server.control.touch_session(&server.cx, &short.id).await.unwrap();
        let touched = server.control.session(&server.cx, &short.id).await.unwrap().active_at;
        eventually("the activity in the database", async || server.row(&short.id).await.active_at == touched).await;
        (short.id, long.id)
    });
    world.clock.advance(Duration::from_secs(50));
    on_a_server(&world, async |server| {
        assert!(server.control.session(&server.cx, &short).await.is_ok(), "its keep-alive was not forgotten");
    });
    world.clock.advance(Duration::from_secs(20));
    on_a_server(&world, async |server| {
        eventually("the end", async || server.row(&short).await.state == SessionState::Finished).await;
        assert_eq!(server.row(&short).await.end_reason, Some(EndReason::Idle));
        assert!(server.control.session(&server.cx, &long).await.is_ok());
    });
}

#[tokio::test]
async fn a_server_that_was_superseded_touches_nothing_any_more() {
    let (world, old) = World::with_server().await;
    let session = old.create(idle(60)).await;
    let new = world.start().await;
    world.clock.advance(Duration::from_secs(50));
    new.control.touch_session(&new.cx, &session.id).await.unwrap();
    let denied = old.control.delete_session(&old.cx, &session.id, true).await;
    crate::support::assert_fault(denied, types::ErrorCode::Unavailable, "another server");
    world.clock.advance(Duration::from_secs(20));
    assert!(old.control.session(&old.cx, &session.id).await.is_err());
    tokio::time::sleep(Duration::from_millis(20)).await;
    new.shell(&session.id, "true").await.unwrap().unwrap();
    assert_eq!(alive(&world).await, 1);
}
