//! What every back end must do. Each back end's tests call [`run`] on an empty store.

use crate::{
    ContextChange, ContextQuery, ContextRow, KeyRow, MetadataStore, PageQuery, SessionChange, SessionRow, StoreError, TenantRow, Usage,
    UsageDelta,
};
use std::collections::BTreeSet;
use std::time::Duration;
use types::{
    ClientInfo, ContextState, EndReason, Labels, NodeId, SandboxId, SandboxLimits, SdkLanguage, SessionId, SessionState, TenantId,
    Timestamp,
};

/// Runs the whole suite. Every part works under tenants of its own, so that one store serves all.
pub(crate) async fn run(store: &dyn MetadataStore) {
    tenants_and_keys(store).await;
    session_round_trip(store).await;
    writes_need_the_epoch(store).await;
    adoption_fences_the_former_owner(store).await;
    paging_is_stable(store).await;
    filters(store).await;
    tenants_are_apart(store).await;
    concurrent_writers(store).await;
    forgetting(store).await;
    secrets(store).await;
    contexts(store).await;
    context_pages(store).await;
    context_counts(store).await;
}

async fn tenants_and_keys(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "keys").await;
    let twin = TenantRow { id: id("tenant"), name: "keys".into(), created_at: at(0) };
    assert!(matches!(store.add_tenant(&twin).await, Err(StoreError::Exists { .. })));
    assert_eq!(store.tenant_by_name("keys").await.unwrap().unwrap().id, tenant);
    assert_eq!(store.tenant_by_name("nobody").await.unwrap(), None);
    assert!(store.tenants().await.unwrap().iter().any(|row| row.id == tenant));

    let key = KeyRow { id: id("key"), tenant, name: "laptop".into(), hash: [7; 32], admin: true, created_at: at(5), revoked_at: None };
    store.add_key(&key).await.unwrap();
    assert!(matches!(store.add_key(&KeyRow { id: id("key"), ..key.clone() }).await, Err(StoreError::Exists { .. })));
    let stray = KeyRow { id: id("key"), tenant: id("tenant"), hash: [8; 32], ..key.clone() };
    assert!(matches!(store.add_key(&stray).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.key_by_hash(&[7; 32]).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key_by_hash(&[9; 32]).await.unwrap(), None);

    store.revoke_key(&key.id, at(50)).await.unwrap();
    store.revoke_key(&key.id, at(60)).await.unwrap();
    let revoked = KeyRow { revoked_at: Some(at(50)), ..key.clone() };
    assert_eq!(store.keys(Some(&key.tenant)).await.unwrap(), vec![revoked.clone()]);
    assert!(store.keys(None).await.unwrap().contains(&revoked));
    assert_eq!(store.keys(Some(&id("tenant"))).await.unwrap(), vec![]);
    assert!(matches!(store.revoke_key(&id("key"), at(1)).await, Err(StoreError::NotFound { .. })));
}

async fn session_round_trip(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "round-trip").await;
    let full = SessionRow {
        labels: labels(&[("env", "prod"), ("odd \"key\"", "zero\0and ünï\n")]),
        client: ClientInfo {
            dialect: "agentbay".into(),
            language: Some(SdkLanguage::Golang),
            version: "0.20.0".into(),
            ..Default::default()
        },
        alias: Some("what a client calls it".into()),
        expires_at: Some(at(9)),
        ..session(&tenant, 1)
    };
    let bare = SessionRow { sandbox: None, idle_timeout: None, expires_at: None, ..session(&tenant, 2) };
    for row in [&full, &bare] {
        store.add_session(row).await.unwrap();
        assert_eq!(store.session(&tenant, &row.id).await.unwrap().as_ref(), Some(row));
        assert!(matches!(store.add_session(row).await, Err(StoreError::Exists { .. })));
    }
    let stray = session(&id("tenant"), 3);
    assert!(matches!(store.add_session(&stray).await, Err(StoreError::NotFound { .. })));

    let sandbox: SandboxId = id("sb");
    let change = SessionChange {
        state: Some(SessionState::Deleting),
        sandbox: Some(sandbox.clone()),
        labels: Some(labels(&[("only", "this")])),
        active_at: Some(at(70)),
        ended_at: Some(at(80)),
        end_reason: Some(EndReason::Idle),
    };
    store.change_session(&full.id, 1, &change).await.unwrap();
    store.change_session(&full.id, 1, &SessionChange::default()).await.unwrap();
    let expected = SessionRow {
        state: SessionState::Deleting,
        sandbox: Some(sandbox),
        labels: labels(&[("only", "this")]),
        active_at: at(70),
        ended_at: Some(at(80)),
        end_reason: Some(EndReason::Idle),
        ..full
    };
    assert_eq!(store.session(&tenant, &expected.id).await.unwrap(), Some(expected));
}

async fn writes_need_the_epoch(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "epoch").await;
    let row = session(&tenant, 1);
    store.add_session(&row).await.unwrap();
    let change = SessionChange { state: Some(SessionState::Paused), labels: Some(labels(&[("x", "y")])), ..Default::default() };
    for wrong in [0, 2] {
        assert!(matches!(store.change_session(&row.id, wrong, &change).await, Err(StoreError::Fenced { ours, .. }) if ours == wrong));
    }
    assert_eq!(store.session(&tenant, &row.id).await.unwrap().as_ref(), Some(&row), "a fenced write must change nothing");
    assert!(matches!(store.change_session(&id("session"), 1, &change).await, Err(StoreError::NotFound { .. })));
}

async fn adoption_fences_the_former_owner(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "adopt").await;
    let node: NodeId = id("node");
    let running = SessionRow { node: node.clone(), labels: labels(&[("a", "b")]), ..session(&tenant, 1) };
    let deleting = SessionRow { node: node.clone(), state: SessionState::Deleting, ..session(&tenant, 2) };
    let finished = SessionRow { node: node.clone(), state: SessionState::Finished, ..session(&tenant, 3) };
    let foreign = session(&tenant, 4);
    for row in [&running, &deleting, &finished, &foreign] {
        store.add_session(row).await.unwrap();
    }
    let adopted = store.adopt_sessions(&node).await.unwrap();
    let expected: Vec<_> = [&running, &deleting].map(|row| SessionRow { epoch: 2, ..row.clone() }).into();
    assert_eq!(adopted, expected);

    let touch = SessionChange { active_at: Some(at(99)), ..Default::default() };
    assert!(matches!(store.change_session(&running.id, 1, &touch).await, Err(StoreError::Fenced { .. })));
    store.change_session(&running.id, 2, &touch).await.unwrap();
    store.change_session(&foreign.id, 1, &touch).await.unwrap();
    assert_eq!(store.adopt_sessions(&node).await.unwrap()[0].epoch, 3);
}

async fn paging_is_stable(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "paging").await;
    // Three share an instant: the id decides among them.
    let mut rows: Vec<_> = [10, 20, 20, 20, 30, 40, 50].map(|second| session(&tenant, second)).into();
    for row in &rows {
        store.add_session(row).await.unwrap();
    }
    rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));

    let mut query = PageQuery { limit: 2, ..Default::default() };
    let mut walked = Vec::new();
    for turn in 0.. {
        let page = store.page_sessions(&tenant, &query).await.unwrap();
        walked.extend(page.rows.iter().map(|row| row.id.clone()));
        let Some(last) = page.rows.last().filter(|_| page.more) else { break };
        query.after = Some((last.created_at, last.id.clone()));
        // The row the walk stands on goes, and a new one comes in front.
        finish(store, &last.id).await;
        store.add_session(&session(&tenant, 100 + turn)).await.unwrap();
    }
    assert_eq!(walked, rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>());

    let page = store.page_sessions(&tenant, &PageQuery { limit: 1, ..Default::default() }).await.unwrap();
    assert_eq!(page.total, store.count_live(&tenant).await.unwrap(), "the total is of all pages");
    assert!(page.more);
    let end =
        store.page_sessions(&tenant, &PageQuery { limit: 5, after: Some((at(0), id("session"))), ..Default::default() }).await.unwrap();
    assert_eq!((end.rows.len(), end.more, end.total), (0, false, page.total));
}

async fn filters(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "filters").await;
    let a = SessionRow { labels: labels(&[("env", "prod"), ("team", "a")]), ..session(&tenant, 1) };
    let b = SessionRow { labels: labels(&[("env", "prod"), ("team", "b")]), state: SessionState::Paused, ..session(&tenant, 2) };
    let c = SessionRow { image: "code_latest".parse().unwrap(), ..session(&tenant, 3) };
    let d = SessionRow { labels: labels(&[("env", "prod")]), state: SessionState::Finished, ..session(&tenant, 4) };
    for row in [&a, &b, &c, &d] {
        store.add_session(row).await.unwrap();
    }
    let all = PageQuery { limit: 100, ..Default::default() };
    let cases: [(PageQuery, &[&SessionRow]); 8] = [
        (all.clone(), &[&c, &b, &a]),
        (PageQuery { labels: labels(&[("env", "prod")]), ..all.clone() }, &[&b, &a]),
        (PageQuery { labels: labels(&[("env", "prod"), ("team", "a")]), ..all.clone() }, &[&a]),
        (PageQuery { labels: labels(&[("env", "a")]), ..all.clone() }, &[]),
        (PageQuery { states: vec![SessionState::Paused], ..all.clone() }, &[&b]),
        (PageQuery { states: vec![SessionState::Finished, SessionState::Paused], ..all.clone() }, &[&d, &b]),
        (PageQuery { image: Some("code_latest".parse().unwrap()), ..all.clone() }, &[&c]),
        (PageQuery { limit: 0, ..all }, &[]),
    ];
    for (query, expected) in cases {
        let page = store.page_sessions(&tenant, &query).await.unwrap();
        let want: Vec<_> = expected.iter().map(|row| (*row).clone()).collect();
        assert_eq!(page.rows, want, "{query:?}");
        assert_eq!(page.total, if query.limit == 0 { 3 } else { want.len() as u64 }, "{query:?}");
    }
    assert_eq!(store.count_live(&tenant).await.unwrap(), 3);
}

async fn tenants_are_apart(store: &dyn MetadataStore) {
    let (ours, theirs) = (new_tenant(store, "ours").await, new_tenant(store, "theirs").await);
    let row = SessionRow { labels: labels(&[("shared", "label")]), ..session(&theirs, 1) };
    store.add_session(&row).await.unwrap();
    assert_eq!(store.session(&ours, &row.id).await.unwrap(), None);
    let query = PageQuery { labels: row.labels.clone(), limit: 10, ..Default::default() };
    let page = store.page_sessions(&ours, &query).await.unwrap();
    assert_eq!((page.rows.len(), page.total, store.count_live(&ours).await.unwrap()), (0, 0, 0));
}

async fn concurrent_writers(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "concurrent").await;
    let rows: Vec<_> = (0..50).map(|second| SessionRow { labels: labels(&[("n", "1")]), ..session(&tenant, second) }).collect();
    let work = rows.iter().map(|row| async {
        store.add_session(row).await.unwrap();
        let change = SessionChange { labels: Some(labels(&[("n", "2")])), ..Default::default() };
        store.change_session(&row.id, 1, &change).await.unwrap();
        store.page_sessions(&tenant, &PageQuery { limit: 10, ..Default::default() }).await.unwrap()
    });
    futures::future::join_all(work).await;
    let query = PageQuery { labels: labels(&[("n", "2")]), limit: 100, ..Default::default() };
    let page = store.page_sessions(&tenant, &query).await.unwrap();
    let ids = |rows: &[SessionRow]| rows.iter().map(|row| row.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&page.rows), ids(&rows));
}

async fn forgetting(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "forget").await;
    let old = SessionRow { labels: labels(&[("a", "b")]), ..session(&tenant, 1) };
    let (live, recent) = (session(&tenant, 2), session(&tenant, 3));
    for row in [&old, &live, &recent] {
        store.add_session(row).await.unwrap();
    }
    let ended = |second| SessionChange { state: Some(SessionState::Finished), ended_at: Some(at(second)), ..Default::default() };
    store.change_session(&old.id, 1, &ended(5_000)).await.unwrap();
    store.change_session(&recent.id, 1, &ended(7_000)).await.unwrap();
    assert_eq!(store.forget_finished(at(6_000)).await.unwrap(), 1);
    let mut left = Vec::new();
    for row in [&old, &live, &recent] {
        left.push(store.session(&tenant, &row.id).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, true]);
}

async fn secrets(store: &dyn MetadataStore) {
    assert_eq!(store.shared_secret("one", &[1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.shared_secret("one", &[2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.shared_secret("two", &[2; 32]).await.unwrap(), [2; 32]);
}

async fn contexts(store: &dyn MetadataStore) {
    let (ours, theirs) = (new_tenant(store, "contexts").await, new_tenant(store, "contexts of others").await);
    let row = context(&ours, 1, "data");
    store.add_context(&row).await.unwrap();
    assert_eq!(store.context(&ours, &row.id).await.unwrap().as_ref(), Some(&row));
    assert_eq!(store.context(&theirs, &row.id).await.unwrap(), None);
    assert_eq!(store.context_by_name(&ours, "data").await.unwrap().as_ref(), Some(&row));
    assert_eq!(store.context_by_name(&theirs, "data").await.unwrap(), None);
    assert!(matches!(store.add_context(&context(&ours, 2, "data")).await, Err(StoreError::Exists { .. })));
    assert!(matches!(store.add_context(&context(&id("tenant"), 2, "x")).await, Err(StoreError::NotFound { .. })));
    store.add_context(&context(&theirs, 2, "data")).await.unwrap();

    // A name moves; a state raises the epoch, and the former epoch is worth nothing then.
    let other = context(&ours, 3, "other");
    store.add_context(&other).await.unwrap();
    let named = |name: &str| ContextChange { name: Some(name.into()), ..ContextChange::default() };
    assert!(matches!(store.change_context(&other.id, 1, &named("data")).await, Err(StoreError::Exists { .. })));
    let renamed = store.change_context(&row.id, 1, &named("data 2")).await.unwrap();
    assert_eq!(renamed, ContextRow { name: "data 2".into(), ..row.clone() });
    let state = |state| ContextChange { state: Some(state), used_at: Some(at(9)), ..ContextChange::default() };
    let clearing = store.change_context(&row.id, 1, &state(ContextState::Clearing)).await.unwrap();
    assert_eq!(clearing, ContextRow { state: ContextState::Clearing, epoch: 2, used_at: at(9), ..renamed });
    assert!(matches!(store.change_context(&row.id, 1, &named("x")).await, Err(StoreError::Fenced { ours: 1, .. })));
    assert!(store.unsettled_contexts().await.unwrap().contains(&clearing));

    // The name of one that is being deleted is free.
    let deleting = store.change_context(&row.id, 2, &state(ContextState::Deleting)).await.unwrap();
    assert_eq!((deleting.epoch, store.context_by_name(&ours, "data 2").await.unwrap()), (3, None));
    store.add_context(&context(&ours, 4, "data 2")).await.unwrap();
    assert!(matches!(store.remove_context(&row.id, 2).await, Err(StoreError::Fenced { .. })));
    store.remove_context(&row.id, 3).await.unwrap();
    assert!(matches!(store.remove_context(&row.id, 3).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.context(&ours, &row.id).await.unwrap(), None);
}

async fn context_pages(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "context pages").await;
    let mut rows: Vec<_> = [10, 20, 20, 20, 30].iter().enumerate().map(|(n, second)| context(&tenant, *second, &n.to_string())).collect();
    for row in &rows {
        store.add_context(row).await.unwrap();
    }
    let gone = context(&tenant, 40, "gone");
    store.add_context(&ContextRow { state: ContextState::Deleting, ..gone }).await.unwrap();
    rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let (mut query, mut walked) = (ContextQuery { limit: 2, after: None }, Vec::new());
    loop {
        let page = store.page_contexts(&tenant, &query).await.unwrap();
        assert_eq!(page.total, 5);
        walked.extend(page.rows);
        let Some(last) = walked.last().filter(|_| page.more) else { break };
        query.after = Some((last.created_at, last.id.clone()));
    }
    assert_eq!(walked, rows);
}

async fn context_counts(store: &dyn MetadataStore) {
    let tenant = new_tenant(store, "context counts").await;
    let row = context(&tenant, 1, "counted");
    store.add_context(&row).await.unwrap();
    store.begin_context_write(&row.id, 1).await.unwrap();
    store.begin_context_write(&row.id, 1).await.unwrap();
    assert!(matches!(store.begin_context_write(&row.id, 2).await, Err(StoreError::Fenced { .. })));
    let delta = |files, bytes| UsageDelta { files, bytes };
    store.end_context_write(&row.id, 1, delta(1, 100), at(50)).await.unwrap();
    let now = store.context(&tenant, &row.id).await.unwrap().unwrap();
    assert_eq!(now, ContextRow { usage: Usage { files: 1, bytes: 100 }, writers: 1, used_at: at(50), ..row.clone() });
    assert!(store.unsettled_contexts().await.unwrap().contains(&now), "one change has not ended");
    store
        .add_context(&ContextRow { usage: Usage { files: 2, bytes: 7 }, state: ContextState::Deleting, ..context(&tenant, 2, "going") })
        .await
        .unwrap();
    assert_eq!(store.contexts_usage(&tenant).await.unwrap(), Usage { files: 3, bytes: 107 });

    let counted = ContextChange { usage: Some(Usage { files: 3, bytes: 300 }), still_writing: 1, ..ContextChange::default() };
    store.change_context(&row.id, 1, &counted).await.unwrap();
    store.end_context_write(&row.id, 1, delta(-9, -9_000), at(10)).await.unwrap();
    let now = store.context(&tenant, &row.id).await.unwrap().unwrap();
    assert_eq!(now, ContextRow { usage: Usage::default(), writers: 0, used_at: at(50), ..row }, "never below nothing, never back in time");
    assert!(matches!(store.end_context_write(&id("SdkCtx"), 1, delta(0, 0), at(1)).await, Err(StoreError::NotFound { .. })));
}

/// An available context made `second` seconds after 1970, with an id that no other call gives.
fn context(tenant: &TenantId, second: i64, name: &str) -> ContextRow {
    ContextRow {
        id: id("SdkCtx"),
        tenant: tenant.clone(),
        name: name.into(),
        state: ContextState::Available,
        epoch: 1,
        created_at: at(second),
        used_at: at(second),
        usage: Usage::default(),
        writers: 0,
    }
}

async fn new_tenant(store: &dyn MetadataStore, name: &str) -> TenantId {
    let tenant = TenantRow { id: id("tenant"), name: name.into(), created_at: at(0) };
    store.add_tenant(&tenant).await.unwrap();
    tenant.id
}

async fn finish(store: &dyn MetadataStore, id: &SessionId) {
    // No end instant: `forgetting` counts what ended before one.
    let change = SessionChange { state: Some(SessionState::Finished), ..Default::default() };
    store.change_session(id, 1, &change).await.unwrap();
}

/// A running session made `second` seconds after 1970, with an id that no other call gives.
fn session(tenant: &TenantId, second: i64) -> SessionRow {
    SessionRow {
        id: id("session"),
        tenant: tenant.clone(),
        node: id("node"),
        epoch: 1,
        state: SessionState::Running,
        image: "linux_latest".parse().unwrap(),
        sandbox: Some(id("sb")),
        limits: SandboxLimits::default(),
        labels: Labels::default(),
        client: ClientInfo::default(),
        alias: None,
        created_at: at(second),
        active_at: at(second),
        idle_timeout: Some(Duration::from_millis(1_500)),
        expires_at: None,
        ended_at: None,
        end_reason: None,
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()))).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A fresh id; the numbers are shuffled so that the order of ids is not the order of making.
fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str) -> T {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{prefix}-{n:016x}").parse().unwrap()
}
