//! API keys and tenants.

use crate::support::{World, assert_fault, context};
use control::NewKeyRequest;
use types::{ErrorCode, KeyId};

fn request(tenant: Option<&str>, name: &str, admin: bool) -> NewKeyRequest {
    NewKeyRequest { tenant: tenant.map(str::to_owned), name: name.into(), admin }
}

#[tokio::test]
async fn the_first_key_is_made_once_and_works() {
    let world = World::new();
    let server = world.start().await;
    assert!(server.control.first_key().await.unwrap().is_none(), "there is one already");
    let made = server.control.create_key(&server.cx, request(None, "laptop", false)).await.unwrap();
    assert_eq!((made.text.len(), &made.text[..4], made.info.tenant_name.as_str()), (36, "akm-", "default"));
    assert!(!format!("{made:?}").contains(&made.text), "secrets do not show in logs");
    let identity = server.control.authenticate(&made.text).await.unwrap();
    assert_eq!((identity.tenant, identity.key, identity.admin), (server.cx.identity.tenant.clone(), made.info.id, false));
}

#[tokio::test]
async fn unknown_malformed_and_revoked_keys_are_refused_with_a_way_out() {
    let (_world, server) = World::with_server().await;
    let made = server.control.create_key(&server.cx, request(None, "short-lived", false)).await.unwrap();
    for _ in 0..2 {
        server.control.authenticate(&made.text).await.unwrap();
    }
    server.control.revoke_key(&server.cx, &made.info.id).await.unwrap();
    server.control.revoke_key(&server.cx, &made.info.id).await.unwrap();
    let unknown = format!("akm-{}", "a".repeat(32));
    for text in ["", "akm-", "Bearer x", &unknown, &made.text, &"k".repeat(100_000)] {
        assert_fault(server.control.authenticate(text).await, ErrorCode::Unauthenticated, "roadstead env");
    }
}

#[tokio::test]
async fn a_key_that_another_server_revoked_is_good_for_a_short_while_at_most() {
    let (world, server) = World::with_server().await;
    let made = server.control.create_key(&server.cx, request(None, "shared", false)).await.unwrap();
    server.control.authenticate(&made.text).await.unwrap();
    let other = world.start().await;
    other.control.revoke_key(&other.cx, &made.info.id).await.unwrap();
    assert_fault(other.control.authenticate(&made.text).await, ErrorCode::Unauthenticated, "revoked");
    world.clock.advance(world.config.timings.key_recheck);
    assert_fault(server.control.authenticate(&made.text).await, ErrorCode::Unauthenticated, "revoked");
}

#[tokio::test]
async fn tenants_are_made_when_named_and_names_are_checked() {
    let (_world, server) = World::with_server().await;
    let a = server.control.create_key(&server.cx, request(Some("team-a"), "one", false)).await.unwrap();
    let b = server.control.create_key(&server.cx, request(Some("team-a"), "two", false)).await.unwrap();
    assert_eq!(a.info.tenant, b.info.tenant);
    assert_ne!(a.info.tenant, server.cx.identity.tenant);
    for tenant in ["", " ", "-x", "a b", "ü", &"x".repeat(65)] {
        let result = server.control.create_key(&server.cx, request(Some(tenant), "k", false)).await;
        assert_fault(result, ErrorCode::InvalidArgument, "tenant's name");
    }
    for name in ["", "  ", "a\nb", &"x".repeat(65)] {
        let result = server.control.create_key(&server.cx, request(None, name, false)).await;
        assert_fault(result, ErrorCode::InvalidArgument, "key's name");
    }
}

#[tokio::test]
async fn only_admins_manage_keys_and_the_last_one_stays() {
    let (_world, server) = World::with_server().await;
    let made = server.control.create_key(&server.cx, request(Some("team-a"), "user", false)).await.unwrap();
    let user = context(server.control.authenticate(&made.text).await.unwrap());
    assert_fault(server.control.create_key(&user, request(None, "k", true)).await, ErrorCode::PermissionDenied, "admin");
    assert_fault(server.control.revoke_key(&user, &made.info.id).await, ErrorCode::PermissionDenied, "admin");
    assert_eq!(server.control.list_keys(&user).await.unwrap(), vec![made.info]);
    assert_eq!(server.control.list_keys(&server.cx).await.unwrap().len(), 2);

    let last = server.cx.identity.key.clone();
    assert_fault(server.control.revoke_key(&server.cx, &last).await, ErrorCode::FailedPrecondition, "last key");
    let nobody: KeyId = "key-nosuch".parse().unwrap();
    assert_fault(server.control.revoke_key(&server.cx, &nobody).await, ErrorCode::NotFound, "key-nosuch");
    server.control.create_key(&server.cx, request(None, "second admin", true)).await.unwrap();
    server.control.revoke_key(&server.cx, &last).await.unwrap();
}
