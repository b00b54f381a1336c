//! Tool calls.

use crate::support::{World, assert_fault, eventually, shell};
use control::{CreateSession, Lifetime};
use futures::FutureExt;
use std::time::Duration;
use types::{EndReason, ErrorCode, SessionState};

#[tokio::test]
async fn a_call_returns_what_the_guest_said() {
    let (_world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    let outcome = server.shell(&session.id, "echo").await.unwrap().unwrap();
    assert_eq!(outcome["command"], "echo");
}

#[tokio::test]
async fn calls_run_side_by_side_up_to_the_limit() {
    let mut world = World::new();
    world.config.calls_per_session = 3;
    let server = world.start().await;
    let session = server.create(CreateSession::default()).await;
    let calls = futures::future::join_all((0..3).map(|_| server.shell(&session.id, "hold")));
    let script = async {
        for _ in 0..3 {
            world.guests.held().await;
        }
        assert_fault(server.shell(&session.id, "true").await, ErrorCode::ResourceExhausted, "3 tool calls");
        world.guests.release(3);
    };
    let (results, ()) = tokio::join!(calls, script);
    assert!(results.into_iter().all(|result| result.is_ok()));
    server.shell(&session.id, "true").await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_whose_caller_left_goes_on_and_is_counted_until_it_ends() {
    let mut world = World::new();
    world.config.calls_per_session = 1;
    let server = world.start().await;
    let idle = Some(Duration::from_secs(60));
    let lifetime = Lifetime::Limits { idle, max_life: None };
    let session = server.create(CreateSession { lifetime, ..Default::default() }).await;
    tokio::select! {
        _ = server.shell(&session.id, "hold") => unreachable!("it is held"),
        () = world.guests.held() => {}
    }
    assert_fault(server.shell(&session.id, "true").await, ErrorCode::ResourceExhausted, "limit");
    world.clock.advance(Duration::from_secs(600));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(server.control.session(&server.cx, &session.id).await.is_ok(), "it works, so it does not idle");

    world.guests.release(1);
    eventually("room for a call", async || server.shell(&session.id, "true").await.is_ok()).await;
    world.clock.advance(Duration::from_secs(61));
    eventually("the end", async || server.row(&session.id).await.end_reason == Some(EndReason::Idle)).await;
}

#[tokio::test]
async fn callers_that_leave_at_any_moment_leave_the_count_right() {
    let mut world = World::new();
    world.config.calls_per_session = 1;
    let server = world.start().await;
    let session = server.create(CreateSession::default()).await;
    for polls in 0..40 {
        let mut call = Box::pin(server.shell(&session.id, "true"));
        for _ in 0..polls % 5 {
            if (&mut call).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        eventually("room for a call", async || server.shell(&session.id, "true").await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_full_mailbox_says_busy_and_loses_nothing() {
    let (_world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    // On this one thread the owner cannot run before all have been polled once.
    let touches: Vec<_> = (0..300).map(|_| server.control.touch_session(&server.cx, &session.id)).collect();
    let results = futures::future::join_all(touches).await;
    let (done, busy): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), busy.len()), (256, 44));
    for result in busy {
        assert_fault(result, ErrorCode::ResourceExhausted, "busy");
    }
    server.control.touch_session(&server.cx, &session.id).await.unwrap();
}

#[tokio::test]
async fn a_dead_sandbox_ends_the_session_and_the_call_says_so() {
    let (world, server) = World::with_server().await;
    for command in ["true", "break"] {
        let session = server.create(CreateSession::default()).await;
        world.runtime.kill(&session.sandbox.unwrap().id);
        assert_fault(server.shell(&session.id, command).await, ErrorCode::NotFound, "its sandbox died");
        eventually("the end", async || server.row(&session.id).await.state == SessionState::Finished).await;
        assert_eq!(server.row(&session.id).await.end_reason, Some(EndReason::SandboxLost));
    }
    let healthy = server.create(CreateSession::default()).await;
    assert_fault(server.shell(&healthy.id, "break").await, ErrorCode::Unavailable, "broke");
    server.shell(&healthy.id, "true").await.unwrap().unwrap();
}

#[tokio::test]
async fn refusals_name_what_there_is() {
    let (_world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    let call = |name: &str, arguments| control::ToolCall { name: name.into(), arguments, ..shell("") };
    let cases = [
        (call("nope", serde_json::json!({})), ErrorCode::NotFound, "has: shell"),
        (call("read_file", serde_json::json!({})), ErrorCode::Unimplemented, "it has: shell"),
        (call("shell", serde_json::json!([])), ErrorCode::InvalidArgument, "JSON object"),
    ];
    for (call, code, text) in cases {
        assert_fault(server.control.call_tool(&server.cx, &session.id, call).await, code, text);
    }
}

#[tokio::test]
async fn draining_waits_for_calls_and_leaves_sessions() {
    let (world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    world.clock.advance(Duration::from_secs(5));
    let call = server.shell(&session.id, "hold");
    let script = async {
        world.guests.held().await;
        let drain = server.control.drain();
        let mut drain = std::pin::pin!(drain);
        assert!((&mut drain).now_or_never().is_none(), "a call still runs");
        let refused = server.shell(&session.id, "true").await;
        assert_fault(refused, ErrorCode::Unavailable, "stopping");
        world.guests.release(1);
        drain.await;
    };
    let (result, ()) = tokio::join!(call, script);
    result.unwrap().unwrap();
    let row = server.row(&session.id).await;
    assert_eq!((row.state, world.runtime.alive().len()), (SessionState::Running, 1));
    assert!(row.active_at > row.created_at, "the last activity is in the database");
    assert_fault(server.control.touch_session(&server.cx, &session.id).await, ErrorCode::Unavailable, "stopping");
}

#[tokio::test]
async fn metrics_come_from_the_back_end_and_not_from_the_guest() {
    let (world, server) = World::with_server().await;
    let session = server.create(CreateSession::default()).await;
    let used = |cpu_ms| runtime::SandboxUsage {
        cpu_time: Duration::from_millis(cpu_ms),
        memory_bytes: 5 << 20,
        received_bytes: 900,
        ..Default::default()
    };
    world.runtime.set_usage(used(50));
    let call = || control::ToolCall { name: "get_metrics".into(), arguments: serde_json::json!({}), user: Default::default() };
    let ask = async || server.control.call_tool(&server.cx, &session.id, call()).await;
    let first = ask().await.unwrap().unwrap();
    assert_eq!((&first["mem_used"], &first["rx_bytes"], &first["cpu_used_pct"]), (&(5 << 20).into(), &900.into(), &0.0.into()));
    // Asked again at once, it measures twice by itself; in between the sandbox works.
    let work = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.runtime.set_usage(used(150));
    };
    let (second, ()) = tokio::join!(ask(), work);
    let second = second.unwrap().unwrap();
    let share = second["cpu_used_pct"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 50.0, "100 ms of two CPUs in 100 ms or a little more: {second}");

    world.runtime.kill(session.sandbox.as_ref().map(|facts| &facts.id).unwrap());
    assert_fault(ask().await, ErrorCode::NotFound, "its sandbox died");
}
