//! Many clients doing anything at any time, leaving at any moment, on a back end that fails now and then; whatever the
//! order, everything ends, and nothing is left.

use crate::support::{Server, World, alive, eventually, mix, shell};
use control::{CreateSession, Lifetime, ListSessions};
use proptest::prelude::*;
use runtime::sim::{SimFault, SimOp};
use std::time::Duration;
use store::{MetadataStore, PageQuery, StoreFault, StoreOp};
use types::{Labels, SessionState};

const CLIENTS: u64 = 12;
const STEPS: u64 = 25;

/// One client: a walk through the verbs that `seed` decides.
async fn client(world: &World, server: &Server, seed: u64) {
    let (control, cx) = (&server.control, &server.cx);
    for step in 0..STEPS {
        let dice = mix(seed.wrapping_mul(1_000_003).wrapping_add(step));
        let request = ListSessions { limit: 100, ..Default::default() };
        let page = control.list_sessions(cx, request).await.expect("a listing never fails");
        let id = match page.sessions.len() as u64 {
            0 => "session-none".parse().unwrap(),
            count => page.sessions[(dice / 7 % count) as usize].id.clone(),
        };
        let verb = async {
            match dice % 10 {
                0..3 => {
                    let lifetime = Lifetime::Limits { idle: Some(Duration::from_secs(1 + dice % 5)), max_life: None };
                    drop(control.create_session(cx, CreateSession { lifetime, ..Default::default() }).await);
                }
                3 => drop(control.delete_session(cx, &id, dice.is_multiple_of(3)).await),
                4 => drop(control.touch_session(cx, &id).await),
                5 => drop(control.set_labels(cx, &id, Labels::new([("n".into(), dice.to_string())]).unwrap()).await),
                6 => world.clock.advance(Duration::from_millis(dice % 2000)),
                7 => match dice % 4 {
                    0 => world.runtime.fail_next(SimOp::Destroy, [SimFault::Before, SimFault::After]),
                    1 => {
                        world.runtime.fail_next(SimOp::Create, [SimFault::After, SimFault::Before]);
                        server.store.fail_next(StoreOp::AddSession, [StoreFault::After, StoreFault::Before]);
                    }
                    2 => server.store.fail_next(StoreOp::ChangeSession, [StoreFault::Before, StoreFault::None, StoreFault::After]),
                    _ => world.runtime.alive().first().into_iter().for_each(|id| world.runtime.kill(id)),
                },
                _ => drop(control.call_tool(cx, &id, shell("true")).await),
            }
        };
        // Now and then the client leaves in the middle.
        let patience = if dice.is_multiple_of(4) { Duration::from_micros(dice % 500) } else { Duration::from_secs(60) };
        let _ = tokio::time::timeout(patience, verb).await;
    }
}

async fn storm(seed: u64) {
    let world = World::new();
    let server = world.start().await;
    futures::future::join_all((0..CLIENTS).map(|n| client(&world, &server, seed.wrapping_add(n)))).await;

    // All that is left idles out.
    world.runtime.calm();
    server.store.calm();
    world.clock.advance(Duration::from_secs(3600));
    let tenant = server.cx.identity.tenant.clone();
    eventually("no live session", async || server.store.count_live(&tenant).await.unwrap() == 0).await;
    let unfinished = PageQuery { states: vec![SessionState::Deleting], limit: 1, ..Default::default() };
    eventually("nothing half-deleted", async || server.store.page_sessions(&tenant, &unfinished).await.unwrap().total == 0).await;
    eventually("no sandbox", async || alive(&world).await == 0).await;

    let finished = PageQuery { states: vec![SessionState::Finished], limit: 1000, ..Default::default() };
    let rows = server.store.page_sessions(&tenant, &finished).await.unwrap().rows;
    assert!(rows.iter().all(|row| row.end_reason.is_some() && row.ended_at.is_some()));
    assert!(!rows.is_empty());
    // The quota is given back to the last place.
    server.create(CreateSession::default()).await;
    assert_eq!(server.control.shut_down(&server.cx).await.unwrap(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_storm_ends_with_nothing_left(seed: u64) {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        tokio.block_on(storm(seed));
    }
}
