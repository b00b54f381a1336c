//! A web server inside a session, reached by a link from outside.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, LinkParams, Result, Session};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    session.files().write("/tmp/site/index.html", "hello from inside").await?;
    session.command().run("nohup python3 -m http.server 30100 --directory /tmp/site >/dev/null 2>&1 &").await?;
    session.wait_for_port(30100, Duration::from_secs(20)).await?;

    let url = session.link(LinkParams::https(30100)).await?.into_value();
    println!("{url}");
    assert!(url.starts_with("https://"));
    // Any HTTP client will do; curl trusts what SSL_CERT_FILE names.
    let fetched = tokio::process::Command::new("curl").args(["-sS", "--fail", "--max-time", "20", &url]).output().await;
    let page = fetched.expect("curl is installed");
    assert_eq!(String::from_utf8_lossy(&page.stdout), "hello from inside", "{}", String::from_utf8_lossy(&page.stderr));

    let socket = session.link(LinkParams::wss(30101)).await?;
    assert!(socket.starts_with("wss://"));

    for port in [80, 30099, 30200] {
        let refused = session.link(LinkParams::https(port)).await;
        assert!(matches!(refused, Err(Error::Validation { .. })), "{port}: {refused:?}");
    }
    Ok(())
}
