use super::*;
use crate::testing;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

/// A served front door and what ends it.
struct Served {
    addresses: Addresses,
    /// The text of a key.
    key: String,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<DrainReport>,
    _dir: tempfile::TempDir,
}

async fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let mut config = testing::config(dir.path().join("tls"));
    config.http = Some("127.0.0.1:0".parse().unwrap());
    config.limits.body = 1000;
    let world = testing::World::new().await;
    let gateway = bind(config, world.app.control.clone()).await.unwrap();
    let addresses = gateway.addresses().clone();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(gateway.serve(async move {
        let _ = stopped.await;
    }));
    Served { addresses, key: world.key, stop, ended, _dir: dir }
}

/// One request over TLS that trusts the served authority alone.
async fn over_tls(served: &Served, address: SocketAddr, request: Request<Full<bytes::Bytes>>) -> (u16, String) {
    let ca = CertificateDer::from_pem_file(&served.addresses.ca_pem).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    exchange(stream, request).await
}

async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<bytes::Bytes>>,
) -> (u16, String) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    driver.await.unwrap().unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: &str, path: &str, body: &str) -> Request<Full<bytes::Bytes>> {
    // What Python SDKs write into Host when their endpoint has a scheme.
    Request::builder().method(method).uri(path).header("host", "http://localhost:1").body(Full::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn the_dialects_and_links_are_served_over_tls_and_stopping_ends_it() {
    let served = served().await;
    let Addresses { https, links, http, .. } = served.addresses.clone();

    let (status, body) = over_tls(&served, https, request("GET", "/v1/health", "")).await;
    assert_eq!((status, body.as_str()), (200, r#"{"status":"ok"}"#));
    let (status, body) = over_tls(&served, https, request("GET", "/v1/openapi.json", "")).await;
    assert!(status == 200 && body.contains("/v1/sessions/{id}/exec"), "{body}");
    let (status, body) = over_tls(&served, https, request("GET", "/v1/sessions", "")).await;
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &error["error"]["code"]), (401, &Value::from("unauthenticated")));
    assert!(error["error"]["request_id"].as_str().unwrap().starts_with("req-"));
    assert_eq!(over_tls(&served, https, request("GET", "/v1/nothing", "")).await.0, 404);
    assert_eq!(over_tls(&served, https, request("PUT", "/v1/sessions", "")).await.0, 405);

    let code = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        body.get("Code").unwrap_or(&body["code"]).as_str().unwrap().to_owned()
    };
    for (path, long, wanted) in [
        ("/?Action=ListSession", "/?Action=SetLabel", cfg!(feature = "agentbay")),
        ("/mcp/getSession", "/mcp/getSession", cfg!(feature = "agb")),
    ] {
        if !wanted {
            continue;
        }
        let (status, body) = over_tls(&served, https, request("POST", path, "{}")).await;
        assert_eq!((status, code(&body).as_str()), (401, "InvalidApiKey"), "{body}");
        let mut large = request("POST", long, &"x".repeat(1001));
        large.headers_mut().insert("authorization", format!("Bearer {}", served.key).parse().unwrap());
        let (status, body) = over_tls(&served, https, large).await;
        assert_eq!((status, code(&body).as_str()), (413, "RequestEntityTooLarge"), "{body}");
    }

    let (status, body) = over_tls(&served, links, request("GET", "/", "")).await;
    assert!(status == 404 && body.starts_with("<!doctype html>"), "{body}");
    for path in ["/l/forged.token/", "/r/forged.token"] {
        assert_eq!(over_tls(&served, links, request("GET", path, "")).await.0, 403, "{path}");
    }
    assert_eq!(over_tls(&served, links, request("GET", "/v1/health", "")).await.0, 404, "the API is not on the links listener");

    let plain = TcpStream::connect(http.unwrap()).await.unwrap();
    assert_eq!(exchange(plain, request("GET", "/v1/health", "")).await.0, 200);

    served.stop.send(()).unwrap();
    assert_eq!(served.ended.await.unwrap(), DrainReport { unfinished: 0 });
    assert!(TcpStream::connect(https).await.is_err(), "nobody listens any more");
}

/// What kind of answer a body is, by the keys that its dialect writes.
fn form(body: &str) -> &'static str {
    let body: Value = serde_json::from_str(body).unwrap();
    match () {
        () if body.get("RequestId").is_some() => "agentbay",
        () if body.get("httpStatusCode").is_some() => "agb",
        () if body.get("error").is_some() => "native",
        () => "direct",
    }
}

#[tokio::test]
async fn a_path_leads_to_its_dialect_and_where_that_is_left_out_to_the_other() {
    let served = served().await;
    let https = served.addresses.https;
    let agb = if cfg!(feature = "agb") { "agb" } else { "agentbay" };
    let agentbay = if cfg!(feature = "agentbay") { "agentbay" } else { "agb" };
    for (method, path, wanted) in [
        ("POST", "/", agentbay),
        ("POST", "//", agentbay),
        ("GET", "/?Action=ListSession", agentbay),
        ("POST", "/some/path?Action=ListSession", agentbay),
        ("POST", "/mcp", agb),
        ("POST", "/mcp?Action=ListSession", agb),
        ("POST", "//mcp/createSession?imageId=x", agb),
        ("GET", "/sdk/ListSession", agb),
        ("GET", "/internet/getLink", agb),
        ("POST", "/browser/init", agb),
        ("GET", "/nothing", agb),
        ("GET", "/mcpx", agb),
        ("GET", "/v1/sessions", "native"),
        ("POST", "/direct/callTool", "direct"),
        ("GET", "/callTool", "direct"),
    ] {
        let (status, body) = over_tls(&served, https, request(method, path, "")).await;
        assert_eq!(form(&body), wanted, "{method} {path}: {status} {body}");
        assert!((400..500).contains(&status), "{method} {path}: {status} {body}");
        if wanted == "agb" && path == "/nothing" {
            assert!(status == 404 && body.contains("not found"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_frees_the_place_of_its_call() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = testing::config(dir.path().join("tls"));
    config.http = Some("127.0.0.1:0".parse().unwrap());
    config.limits.requests = 1;
    let world = testing::World::new().await;
    let gateway = bind(config, world.app.control.clone()).await.unwrap();
    let http = gateway.addresses().http.unwrap();
    tokio::spawn(gateway.serve(std::future::pending()));
    let identity = world.app.control.authenticate(&world.key).await.unwrap();
    let cx = control::OpContext { identity, request: "req-1".parse().unwrap() };
    let id = world.app.control.create_session(&cx, control::CreateSession::default()).await.unwrap().id;

    for (ended, (path, content_type, body)) in waiting_calls(&world.key, id.as_str()).into_iter().enumerate() {
        let mut client = TcpStream::connect(http).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            world.key,
            body.len()
        );
        tokio::io::AsyncWriteExt::write_all(&mut client, format!("{head}{body}").as_bytes()).await.unwrap();
        let health = async || exchange(TcpStream::connect(http).await.unwrap(), request("GET", "/v1/health", "")).await.0;
        while health().await == 200 {
            tokio::task::yield_now().await;
        }
        drop(client);
        while health().await != 200 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.guest.ended(), ended, "the call goes on without its client");
        world.guest.release();
        world.guest.all_ended(ended + 1).await;
    }
}

/// Calls of the command `wait`, each dialect's: path, type of the body, body.
fn waiting_calls(key: &str, id: &str) -> Vec<(&'static str, &'static str, String)> {
    let args = r#"{"command":"wait"}"#;
    let bearer = format!("Bearer {key}");
    let pairs = [("Authorization", bearer.as_str()), ("SessionId", id), ("Name", "shell"), ("Args", args)];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let json = serde_json::json!({ "sessionId": id, "name": "shell", "args": args }).to_string();
    let mut calls = Vec::new();
    if cfg!(feature = "agentbay") {
        calls.push(("/?Action=CallMcpTool", "application/x-www-form-urlencoded", form));
    }
    if cfg!(feature = "agb") {
        calls.push(("/mcp", "application/json", json));
    }
    calls
}

#[tokio::test]
async fn a_taken_address_and_plain_http_on_a_network_are_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = testing::config(dir.path().to_owned());
    config.https = taken.local_addr().unwrap();
    let error = bind(config, testing::World::new().await.app.control.clone()).await.unwrap_err();
    assert!(matches!(error, GatewayError::AddressInUse { purpose: "https", .. }), "{error}");
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");

    let mut config = testing::config(dir.path().to_owned());
    config.http = Some("0.0.0.0:0".parse().unwrap());
    let error = bind(config, testing::World::new().await.app.control.clone()).await.unwrap_err();
    assert!(matches!(error, GatewayError::PlainHttpOnNetwork { .. }), "{error}");
}
