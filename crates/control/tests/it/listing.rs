//! Listings.

use crate::support::{Server, World, assert_fault};
use control::{CreateSession, ListSessions};
use std::time::Duration;
use types::{ErrorCode, Labels, SessionId, SessionState};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()))).unwrap()
}

async fn make(world: &World, server: &Server, count: usize, set: &Labels) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        world.clock.advance(Duration::from_micros(1));
        ids.push(server.create(CreateSession { labels: set.clone(), ..Default::default() }).await.id);
    }
    ids.reverse();
    ids
}

#[tokio::test]
async fn a_walk_sees_every_session_once_while_others_come_and_go() {
    let (world, server) = World::with_server().await;
    let set = labels(&[("run", "1")]);
    let expected = make(&world, &server, 7, &set).await;
    make(&world, &server, 3, &labels(&[("run", "2")])).await;
    let mut request = ListSessions { labels: set.clone(), limit: 3, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = server.control.list_sessions(&server.cx, request.clone()).await.unwrap();
        seen.extend(page.sessions.iter().map(|session| session.id.clone()));
        // One that was seen goes, a new one comes.
        server.control.delete_session(&server.cx, seen.last().unwrap(), true).await.unwrap();
        make(&world, &server, 1, &set).await;
        assert_eq!(page.total, 7);
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn cursors_belong_to_a_tenant_and_a_filter() {
    let (world, server) = World::with_server().await;
    make(&world, &server, 3, &labels(&[("a", "b")])).await;
    let first = ListSessions { labels: labels(&[("a", "b")]), limit: 2, ..Default::default() };
    let cursor = server.control.list_sessions(&server.cx, first.clone()).await.unwrap().next_cursor;
    let next = ListSessions { cursor: cursor.clone(), ..first };
    assert_eq!(server.control.list_sessions(&server.cx, next.clone()).await.unwrap().sessions.len(), 1);
    let wrong = [
        ListSessions { labels: Labels::default(), ..next.clone() },
        ListSessions { state: Some(SessionState::Running), ..next.clone() },
        ListSessions { image: Some("linux_latest".into()), ..next.clone() },
        ListSessions { cursor: Some("garbage".into()), ..next.clone() },
    ];
    for request in wrong {
        assert_fault(server.control.list_sessions(&server.cx, request).await, ErrorCode::InvalidArgument, "start again");
    }
    let stranger = server.stranger("other").await;
    assert_fault(server.control.list_sessions(&stranger, next.clone()).await, ErrorCode::InvalidArgument, "start again");
    // The size of a page may change on the way, and another server on the same database knows the cursor.
    let again = ListSessions { limit: 1, ..next };
    let restarted = world.start().await;
    assert_eq!(restarted.control.list_sessions(&server.cx, again).await.unwrap().sessions.len(), 1);
}

#[tokio::test]
async fn filters_and_limits() {
    let (world, server) = World::with_server().await;
    make(&world, &server, 2, &labels(&[("a", "1"), ("b", "1")])).await;
    make(&world, &server, 1, &labels(&[("a", "1")])).await;
    let all = ListSessions { limit: 100, ..Default::default() };
    let cases = [
        (all.clone(), 3),
        (ListSessions { labels: labels(&[("a", "1")]), ..all.clone() }, 3),
        (ListSessions { labels: labels(&[("a", "1"), ("b", "1")]), ..all.clone() }, 2),
        (ListSessions { labels: labels(&[("b", "2")]), ..all.clone() }, 0),
        (ListSessions { state: Some(SessionState::Running), ..all.clone() }, 3),
        (ListSessions { state: Some(SessionState::Paused), ..all.clone() }, 0),
        (ListSessions { state: Some(SessionState::Finished), ..all.clone() }, 0),
        (ListSessions { image: Some("linux_latest".into()), ..all.clone() }, 3),
        (ListSessions { image: Some("no/image".into()), ..all.clone() }, 0),
    ];
    for (request, expected) in cases {
        let page = server.control.list_sessions(&server.cx, request.clone()).await.unwrap();
        assert_eq!((page.sessions.len(), page.total), (expected, expected as u64), "{request:?}");
        assert_eq!(page.next_cursor, None);
    }
    for limit in [0, 101, u32::MAX] {
        let result = server.control.list_sessions(&server.cx, ListSessions { limit, ..all.clone() }).await;
        assert_fault(result, ErrorCode::InvalidArgument, "1 to 100");
    }
}
