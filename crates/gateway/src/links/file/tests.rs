//! Files by their URLs, and everything that a URL does not allow.

use super::*;
use crate::front;
use crate::links::Links;
use crate::testing::World;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::time::Duration;

struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    async fn somebody(&self) -> OpContext {
        OpContext { identity: self.app.control.authenticate(&self.key).await.unwrap(), request: "req-1".parse().unwrap() }
    }

    async fn some_context(&self, cx: &OpContext) -> ContextId {
        self.app.control.contexts(cx).get_or_create("data").await.unwrap().0.id
    }

    async fn fetch(&self, method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Seen {
        let path = url.strip_prefix("https://localhost:8444").unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = front::pass::<Links>(self.app.clone(), request.body(body.into()).unwrap()).await;
        let (head, body) = response.into_parts();
        Seen { status: head.status.as_u16(), headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }
}

#[tokio::test]
async fn a_file_goes_in_by_one_url_and_out_by_another() {
    let world = World::new().await;
    let (cx, app) = (world.somebody().await, &world.app);
    let id = world.some_context(&cx).await;
    assert_eq!(download_url(app, &cx, &id, "a").await.unwrap_err().code(), ErrorCode::NotFound);
    let up = upload_url(app, &cx, &id, "dir/ünï <1>.txt").await.unwrap();
    assert_eq!(up.expires, app.clock.now().as_second() + 3600);
    let put = world.fetch("PUT", &up.url, &[], "0123456789").await;
    assert!((put.status, put.header("etag").len() > 2, put.body.len()) == (200, true, 0), "{:?}", put.headers);

    let down = download_url(app, &cx, &id, "/dir/ünï <1>.txt").await.unwrap();
    let got = world.fetch("GET", &down.url, &[], "").await;
    assert_eq!((got.status, &got.body[..], got.header("content-length")), (200, &b"0123456789"[..], "10"));
    assert_eq!(got.header("etag"), put.header("etag"));
    assert_eq!(got.header("content-disposition"), "attachment; filename*=UTF-8''%C3%BCn%C3%AF%20%3C1%3E.txt");
    assert_eq!((got.header("content-type"), got.header("x-content-type-options")), ("application/octet-stream", "nosniff"));
    assert!(got.header("content-security-policy").contains("sandbox"));
    assert_eq!(got.header("set-cookie"), "");
    let head = world.fetch("HEAD", &down.url, &[], "").await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "10"));

    for (range, status, body, said) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=5-99", 206, "56789", "bytes 5-9/10"),
        ("bytes=0-1,3-4", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
        ("bytes=4-2", 200, "0123456789", ""),
    ] {
        let got = world.fetch("GET", &down.url, &[("range", range)], "").await;
        assert_eq!((got.status, &got.body[..], got.header("content-range")), (status, body.as_bytes(), said), "{range}");
    }
    let beyond = world.fetch("GET", &down.url, &[("range", "bytes=10-")], "").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    let with_if = world.fetch("GET", &down.url, &[("range", "bytes=1-2"), ("if-range", "\"x\"")], "").await;
    assert_eq!((with_if.status, with_if.body.len()), (200, 10));
}

#[tokio::test]
async fn a_url_allows_one_method_on_one_file_for_its_time() {
    let world = World::new().await;
    let (cx, app) = (world.somebody().await, &world.app);
    let id = world.some_context(&cx).await;
    let up = upload_url(app, &cx, &id, "/a").await.unwrap().url;
    assert_eq!(world.fetch("PUT", &up, &[], "first").await.status, 200);
    let down = download_url(app, &cx, &id, "/a").await.unwrap().url;
    for (method, url) in [("GET", &up), ("HEAD", &up), ("DELETE", &up), ("POST", &up), ("PUT", &down), ("DELETE", &down)] {
        let seen = world.fetch(method, url, &[], "second").await;
        assert_eq!(seen.status, 405, "{method}");
    }
    // Nothing but the signed text counts: neither what follows it nor what is made of it.
    for url in [
        format!("{up}/../b"),
        format!("{up}x"),
        up.replace("/o/", "/o/%2e%2e/"),
        up.replacen('e', "f", 1),
        "https://localhost:8444/o/".into(),
    ] {
        let seen = world.fetch("PUT", &url, &[], "second").await;
        assert!(matches!(seen.status, 403 | 404), "{url}: {}", seen.status);
    }
    // Two URLs do not mix: claims of one, signature of the other.
    let other = upload_url(app, &cx, &id, "/b").await.unwrap().url;
    let (claims, signature) = (other.rsplit_once('.').unwrap().0, up.rsplit_once('.').unwrap().1);
    assert_eq!(world.fetch("PUT", &format!("{claims}.{signature}"), &[], "second").await.status, 403);
    // A link into a session is no file's URL, whatever it says.
    let grant = FileGrant {
        tenant: cx.identity.tenant.clone(),
        key: cx.identity.key.clone(),
        context: id.clone(),
        path: "/a".into(),
        what: Use::Put,
        expires: i64::MAX,
    };
    let token = app.signer.sign(Purpose::Link, &grant);
    assert_eq!(world.fetch("PUT", &format!("https://localhost:8444/o/{token}"), &[], "x").await.status, 403);

    world.clock.advance(Duration::from_secs(3599));
    assert_eq!(world.fetch("GET", &down, &[], "").await.body, "first");
    world.clock.advance(Duration::from_secs(1));
    for (method, url) in [("GET", &down), ("PUT", &up)] {
        let seen = world.fetch(method, url, &[], "second").await;
        assert!(seen.status == 403 && seen.body.starts_with(b"this URL has expired"), "{:?}", seen.body);
    }
    let down = download_url(app, &cx, &id, "/a").await.unwrap().url;
    assert_eq!(world.fetch("GET", &down, &[], "").await.body, "first", "nothing of all that changed the file");
}

#[tokio::test]
async fn a_url_dies_with_its_key_and_its_context() {
    let world = World::new().await;
    let (cx, app) = (world.somebody().await, &world.app);
    let request = control::NewKeyRequest { tenant: None, name: "second".into(), admin: false };
    let key = app.control.create_key(&cx, request).await.unwrap();
    let theirs = OpContext { identity: app.control.authenticate(&key.text).await.unwrap(), ..cx.clone() };
    let id = world.some_context(&theirs).await;
    let up = upload_url(app, &theirs, &id, "/a").await.unwrap().url;
    assert_eq!(world.fetch("PUT", &up, &[], "x").await.status, 200);
    app.control.revoke_key(&cx, &theirs.identity.key).await.unwrap();
    assert_eq!(world.fetch("PUT", &up, &[], "x").await.status, 403);

    let up = upload_url(app, &cx, &id, "/a").await;
    let up = up.map(|found| found.url);
    if let Ok(up) = up {
        app.control.contexts(&cx).delete(&id).await.unwrap();
        assert_eq!(world.fetch("PUT", &up, &[], "x").await.status, 404);
    } else {
        panic!("the key's tenant is the admin's: {up:?}");
    }
}

#[tokio::test]
async fn paths_out_of_a_context_have_no_url() {
    let world = World::new().await;
    let (cx, app) = (world.somebody().await, &world.app);
    let id = world.some_context(&cx).await;
    for path in ["../x", "/a/../../x", "", "/", "/a/", "a\0b", &"x".repeat(300)] {
        assert_eq!(upload_url(app, &cx, &id, path).await.unwrap_err().code(), ErrorCode::InvalidArgument, "{path:?}");
        assert_eq!(download_url(app, &cx, &id, path).await.unwrap_err().code(), ErrorCode::InvalidArgument, "{path:?}");
    }
    let odd = "/%2e%2e/%2e%2e\n?#x";
    let up = upload_url(app, &cx, &id, odd).await.unwrap().url;
    assert_eq!(world.fetch("PUT", &up, &[], "odd").await.status, 200);
    let down = download_url(app, &cx, &id, odd).await.unwrap().url;
    assert_eq!(world.fetch("GET", &down, &[], "").await.body, "odd");
    let longest = "é/".repeat(266);
    assert_eq!(world.fetch("PUT", &upload_url(app, &cx, &id, &format!("{longest}x")).await.unwrap().url, &[], "").await.status, 200);
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing() {
    let world = World::new().await;
    let (cx, app) = (world.somebody().await, &world.app);
    let id = world.some_context(&cx).await;
    let up = upload_url(app, &cx, &id, "/a").await.unwrap().url;
    let broken = vec![Ok(Bytes::from(vec![b'x'; 6 << 20])), Err(std::io::Error::other("gone"))];
    let seen = world.fetch("PUT", &up, &[], Body::from_stream(futures::stream::iter(broken))).await;
    assert_eq!(seen.status, 400, "{:?}", seen.body);
    assert_eq!(download_url(app, &cx, &id, "/a").await.unwrap_err().code(), ErrorCode::NotFound);
}
