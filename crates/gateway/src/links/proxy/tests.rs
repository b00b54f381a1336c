use super::*;
use crate::testing;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUTE: Route<'_> = Route { base: "/l/t.s", path: "/a", port: 30100, ends: i64::MAX };

/// A program inside a session that answers with what it was asked.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let head = format!("{} {} host={:?}\n", request.method(), request.uri(), request.headers()["host"]);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut answer = Response::new(Full::new([head.as_bytes(), &body[..]].concat().into()));
    answer.headers_mut().insert("location", "/next".parse().unwrap());
    Ok(answer)
}

fn program() -> ByteStream {
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        // The client closes when it has what it wants.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service_fn(echo)).await;
    });
    Box::new(ours)
}

#[tokio::test]
async fn a_request_and_its_answer_pass_through() {
    let app = testing::app().await;
    let body = "x".repeat(100_000);
    let request = Request::post("/l/t.s/a?q=1").header("host", "http://localhost:8444").body(Body::from(body.clone())).unwrap();
    let response = exchange(&app, ROUTE, program(), request).await.unwrap();
    assert_eq!(response.headers()["location"], "/l/t.s/next");
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(String::from_utf8_lossy(&text), format!("POST /a?q=1 host=\"localhost:30100\"\n{body}"));
}

#[tokio::test]
async fn what_does_not_speak_http_is_a_bad_gateway() {
    let app = testing::app().await;
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        theirs.write_all(b"SSH-2.0-not-http\r\n").await.unwrap();
        let _ = theirs.read_to_end(&mut Vec::new()).await;
    });
    let problem = exchange(&app, ROUTE, Box::new(ours), Request::new(Body::empty())).await.unwrap_err();
    assert_eq!(problem.status, StatusCode::BAD_GATEWAY);

    let (ours, theirs) = tokio::io::duplex(4096);
    drop(theirs);
    let problem = exchange(&app, ROUTE, Box::new(ours), Request::new(Body::empty())).await.unwrap_err();
    assert_eq!(problem.status, StatusCode::BAD_GATEWAY, "closed at once");
}

#[tokio::test]
async fn an_old_program_does_not_make_the_browser_speak_as_it_does() {
    let app = testing::app().await;
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(theirs.read_u8().await.unwrap());
        }
        theirs.write_all(b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nto the end").await.unwrap();
    });
    let response = exchange(&app, ROUTE, Box::new(ours), Request::new(Body::empty())).await.unwrap();
    assert_eq!((response.version(), response.headers().get("connection")), (http::Version::HTTP_11, None));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "to the end");
}

#[tokio::test]
async fn upgraded_connections_carry_bytes_both_ways() {
    let app = testing::app().await;
    let (ours, mut program) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut head = [0; 4096];
        let mut length = 0;
        while !head[..length].ends_with(b"\r\n\r\n") {
            length += program.read(&mut head[length..]).await.unwrap();
        }
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: k\r\n\r\n";
        program.write_all(switch).await.unwrap();
        let mut line = [0; 4];
        program.read_exact(&mut line).await.unwrap();
        program.write_all(&line).await.unwrap();
    });

    // A browser that talks to a server of ours, whose handler passes the request on.
    let (mut browser, server) = tokio::io::duplex(4096);
    let ours = std::sync::Mutex::new(Some(Box::new(ours) as ByteStream));
    tokio::spawn(async move {
        let service = service_fn(|request: Request<Incoming>| {
            let stream = ours.lock().unwrap().take().unwrap();
            let app = app.clone();
            async move { Ok::<_, Infallible>(exchange(&app, ROUTE, stream, request.map(Body::new)).await.unwrap()) }
        });
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await.unwrap();
    });
    browser.write_all(b"GET /l/t.s/a HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(browser.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-accept: k"), "{head}");
    browser.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    browser.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");
}
