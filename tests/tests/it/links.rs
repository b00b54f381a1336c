//! Links into sessions: signed, on an origin of their own, gone with the session.

use anyhow::{Context, Result};
use tests::{Rpc, Server};

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
