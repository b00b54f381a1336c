//! Links into sessions: signed, on an origin of their own, gone with the session.

use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;
use tests::{Rpc, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_link_reaches_its_port_and_nothing_else() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let http = server.http()?;
    let id = rpc.create().await?;
    serve_files(&rpc, &id, 30155).await?;
    let url = link(&rpc, &id, "30155").await?;
    assert!(url.starts_with(&server.fact("links")?) && !url.starts_with(&server.fact("https")?), "{url}");
    assert!(!url.contains(&server.key()?));

    let answer = http.get(&url).send().await?;
    assert_eq!((answer.status().as_u16(), answer.text().await?.trim()), (200, "index-of-30155"));
    let deeper = http.get(format!("{}/sub/page.txt", url.trim_end_matches('/'))).send().await?;
    assert_eq!((deeper.status().as_u16(), deeper.text().await?.trim()), (200, "a page below"));

    let dead = link(&rpc, &id, "30156").await?;
    let answer = http.get(&dead).send().await?;
    assert_eq!(answer.status().as_u16(), 502);
    assert!(answer.text().await?.contains("30156"));

    let forged = url.replace(url.rsplit('/').find(|part| !part.is_empty()).context("no token")?, "eyJhbGciOiJub25lIn0");
    assert!(matches!(http.get(&forged).send().await?.status().as_u16(), 403 | 404), "{forged}");
    for path in ["", "/v1/sessions", "/?Action=ListSession"] {
        let status = http.get(format!("{}{path}", server.fact("links")?)).send().await?.status().as_u16();
        assert!((400..500).contains(&status), "the links origin answers {status} on {path:?}");
    }

    rpc.ok("ReleaseMcpSession", &[("SessionId", &id)]).await?;
    let after = http.get(&url).send().await?.status().as_u16();
    assert!(matches!(after, 403 | 404 | 410), "a link outlived its session: {after}");
    Ok(())
}

#[tokio::test]
async fn the_resource_page_shows_facts_and_escapes_them() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create_with(&[("Labels", r#"{"title":"<script>alert(1)</script>"}"#)]).await?;
    let body = rpc.ok("GetMcpResource", &[("SessionId", &id)]).await?;
    let url = body["Data"]["ResourceUrl"].as_str().context("no ResourceUrl")?;
    let answer = server.http()?.get(url).send().await?;
    assert_eq!(answer.status().as_u16(), 200);
    assert!(
        answer.headers().get("content-security-policy").is_some_and(|csp| csp.to_str().is_ok_and(|csp| csp.contains("default-src 'none'")))
    );
    let page = answer.text().await?;
    assert!(page.contains(&id) && page.contains("&lt;script&gt;") && !page.contains("<script>alert"), "{page}");
    Ok(())
}

/// Answers one WebSocket handshake and echoes what comes after it, byte for byte; tells on plain GETs what it was sent.
const ECHO: &str = r#"
import base64, hashlib, socket
listener = socket.create_server(("127.0.0.1", 30160))
print("up", flush=True)
while True:
    c, _ = listener.accept()
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += c.recv(1)
    fields = {k.strip().lower(): v.strip() for k, v in (l.split(":", 1) for l in head.decode().split("\r\n")[1:] if ":" in l)}
    if fields.get("upgrade") != "websocket":
        c.sendall(b"HTTP/1.1 302 Found\r\nlocation: /login\r\nset-cookie: own=1\r\ncontent-length: %d\r\n\r\n%s" % (len(head), head))
        c.close()
        continue
    accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
    c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while data := c.recv(65536):
        c.sendall(data)
    c.close()
"#;

#[tokio::test]
async fn a_web_socket_passes_through_tls_and_outlives_no_session() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let http = server.http()?;
    let id = rpc.create().await?;
    rpc.tool(&id, "write_file", json!({ "path": "/tmp/echo.py", "content": ECHO })).await?;
    rpc.stdout(&id, "nohup python3 /tmp/echo.py >/tmp/up 2>/tmp/echo.err & until grep -q up /tmp/up; do sleep 0.02; done").await?;
    let url = link(&rpc, &id, "30160").await?;

    // What the program sees of a plain request, and what the browser sees of its answer.
    let plain = reqwest_without_redirects(&server)?.get(format!("{url}deep?q=1")).header("cookie", "a=1; roadstead_link=x").send().await?;
    let location = plain.headers()["location"].to_str()?.to_owned();
    assert!(location.ends_with("/login") && location.starts_with("/l/"), "{location}");
    let seen = plain.text().await?.to_lowercase();
    assert!(
        seen.starts_with("get /deep?q=1 http/1.1") && seen.contains("host: localhost:30160") && seen.contains("cookie: a=1\r"),
        "{seen}"
    );

    let answer = http
        .get(&url)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await?;
    assert_eq!((answer.status().as_u16(), answer.headers()["sec-websocket-accept"].to_str()?), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (mut read, mut write) = tokio::io::split(answer.upgrade().await?);
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let sending = sent.clone();
    let sender = tokio::spawn(async move {
        write.write_all(&sending).await?;
        write.flush().await?;
        anyhow::Ok(write)
    });
    let mut back = vec![0; sent.len()];
    tokio::time::timeout(Duration::from_secs(20), read.read_exact(&mut back)).await.context("the echo stopped")??;
    assert!(back == sent, "bytes changed on their way");
    let _open = sender.await??;

    rpc.ok("ReleaseMcpSession", &[("SessionId", &id)]).await?;
    let end = tokio::time::timeout(Duration::from_secs(10), read.read(&mut [0; 16])).await.context("the socket outlived its session")?;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_cursors_survive_a_crash_of_the_server() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    rpc.create().await?;
    serve_files(&rpc, &id, 30157).await?;
    let url = link(&rpc, &id, "30157").await?;
    let first = rpc.ok("ListSession", &[("Labels", "{}"), ("MaxResults", "1")]).await?;
    let cursor = first["NextToken"].as_str().context("no NextToken")?.to_owned();
    // A call that runs while the server dies.
    let running = {
        let (rpc, id) = (rpc.clone(), id.clone());
        tokio::spawn(async move { rpc.shell(&id, "sleep 77", 50_000).await })
    };
    let guest = rpc.host_pid(&id).await?;
    assert!(tests::wait_until(Duration::from_secs(5), || tests::descendants_of(guest).iter().any(|(_, line)| line == "sleep 77")));
    server.crash_and_restart()?;
    assert!(running.await?.is_err(), "nobody was there to answer");

    let rpc = Rpc::new(&server)?;
    let path = url.split_once("/l/").context("an odd link")?.1;
    let answer = server.http()?.get(format!("{}/l/{path}", server.fact("links")?)).send().await?;
    assert_eq!((answer.status().as_u16(), answer.text().await?.trim()), (200, "index-of-30157"));
    let next = rpc.ok("ListSession", &[("Labels", "{}"), ("MaxResults", "1"), ("NextToken", &cursor)]).await?;
    assert_eq!(next["Data"][0]["SessionId"], id.as_str(), "{next}");
    assert_eq!(rpc.stdout(&id, "echo not stuck").await?, "not stuck\n");
    rpc.ok("ReleaseMcpSession", &[("SessionId", &id)]).await?;
    Ok(())
}

fn reqwest_without_redirects(server: &Server) -> Result<reqwest::Client> {
    let ca = std::fs::read(server.data_dir().join("tls/ca.pem"))?;
    let builder = reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&ca)?]).no_proxy();
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

async fn serve_files(rpc: &Rpc, id: &str, port: u16) -> Result<()> {
    let script = format!(
        "mkdir -p /tmp/www/sub && cd /tmp/www && echo index-of-{port} > index.html && echo a page below > sub/page.txt && \
         (nohup python3 -m http.server {port} >/dev/null 2>&1 &) && \
         until curl -s -o /dev/null http://127.0.0.1:{port}/; do :; done"
    );
    rpc.stdout(id, &script).await.map(drop)
}

async fn link(rpc: &Rpc, id: &str, port: &str) -> Result<String> {
    let body = rpc.ok("GetLink", &[("SessionId", id), ("ProtocolType", "https"), ("Port", port)]).await?;
    Ok(body["Data"]["Url"].as_str().context("no Url")?.to_owned())
}
