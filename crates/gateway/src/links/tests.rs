//! Whole requests over links into simulated sandboxes, whose ports echo.

use super::*;
use crate::front;
use crate::testing::{World, context, told};
use control::{CreateSession, NewKeyRequest};
use std::time::Duration;

impl World {
    /// A session with a link to `port`, as a token.
    async fn linked(&self, port: u16, life: Duration) -> (OpContext, SessionView, String) {
        let identity = self.app.control.authenticate(&self.key).await.unwrap();
        let cx = OpContext { identity, ..context() };
        let view = self.app.control.create_session(&cx, CreateSession::default()).await.unwrap();
        let grant = Grant::port(&cx, &view, port, self.app.clock.now(), life);
        let token = self.app.signer.sign(Purpose::Link, &grant);
        (cx, view, token)
    }

    async fn visit(&self, path: &str, cookie: &str) -> (u16, String) {
        let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
        told(front::pass::<Links>(self.app.clone(), request).await).await
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn paths_lead_where_they_say() {
    let check = |path, wanted| assert_eq!(target(path), wanted, "{path}");
    check("/l/t.s/a/b", Target::Path { token: "t.s", rest: "/a/b" });
    check("/l/t.s/", Target::Path { token: "t.s", rest: "/" });
    check("/l/t.s//x", Target::Path { token: "t.s", rest: "//x" });
    check("/l/t.s", Target::Bare { token: "t.s" });
    check("/r/t.s", Target::Page { token: "t.s" });
    for path in ["/", "/l", "/l/", "/r/", "/static/app.js", "/login"] {
        check(path, Target::Remembered);
    }
}

#[tokio::test]
async fn a_link_dies_with_its_session() {
    let world = World::new().await;
    let (cx, view, token) = world.linked(30100, HOUR).await;
    let (status, page) = world.visit(&format!("/l/{token}/"), "").await;
    assert!(status == 502 && page.contains("30100"), "nothing listens yet: {page}");
    let (status, page) = world.visit("/app.js", &format!("a=1; roadstead_link={token}")).await;
    assert!(status == 502 && page.contains("30100"), "the same by cookie: {page}");
    assert_eq!(world.visit(&format!("/l/{token}?q"), "").await.0, 308);
    world.runtime.listen(30100);
    let (status, page) = world.visit(&format!("/l/{token}/"), "").await;
    assert!(status == 502 && page.contains("did not answer in HTTP"), "what listens only echoes: {page}");

    world.app.control.delete_session(&cx, &view.id, true).await.unwrap();
    assert_eq!(world.visit(&format!("/l/{token}/"), "").await.0, 404);
}

#[tokio::test]
async fn an_expired_link_and_a_link_used_as_a_page_are_refused() {
    let world = World::new().await;
    let (_, _, token) = world.linked(30100, Duration::ZERO).await;
    let (status, page) = world.visit(&format!("/l/{token}/"), "").await;
    assert!(status == 403 && page.contains("expired"), "{page}");
    let (_, _, token) = world.linked(30100, HOUR).await;
    assert_eq!(world.visit(&format!("/r/{token}"), "").await.0, 403);
}

#[tokio::test]
async fn links_and_pages_end_with_the_key_that_made_them() {
    let world = World::new().await;
    let admin = OpContext { identity: world.app.control.authenticate(&world.key).await.unwrap(), ..context() };
    let request = NewKeyRequest { tenant: None, name: "for a while".into(), admin: false };
    let made = world.app.control.create_key(&admin, request).await.unwrap();
    let cx = OpContext { identity: world.app.control.authenticate(&made.text).await.unwrap(), ..context() };
    let view = world.app.control.create_session(&cx, CreateSession::default()).await.unwrap();
    let grant = Grant::page(&cx, &view, world.app.clock.now(), HOUR);
    let path = page_url(&world.app, &grant).strip_prefix("https://localhost:8444").unwrap().to_owned();
    assert_eq!(world.visit(&path, "").await.0, 200);
    world.app.control.revoke_key(&admin, &made.info.id).await.unwrap();
    let (status, page) = world.visit(&path, "").await;
    assert!(status == 403 && page.contains("revoked"), "{page}");
}

#[tokio::test]
async fn the_resource_page_is_the_sessions() {
    let world = World::new().await;
    let (cx, view, _) = world.linked(30100, HOUR).await;
    let grant = Grant::page(&cx, &view, world.app.clock.now(), HOUR);
    let url = page_url(&world.app, &grant);
    let (status, page) = world.visit(url.strip_prefix("https://localhost:8444").unwrap(), "").await;
    assert!(status == 200 && page.contains(view.id.as_str()), "{page}");
}

#[tokio::test]
async fn a_service_worker_may_not_rule_the_whole_origin() {
    let world = World::new().await;
    let (_, _, token) = world.linked(30100, HOUR).await;
    let request = Request::get("/sw.js").header("cookie", format!("roadstead_link={token}")).header("service-worker", "script");
    let response = front::pass::<Links>(world.app.clone(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
