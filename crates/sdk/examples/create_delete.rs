//! Sessions with defaults, with labels, and in a scope that deletes at its end; the last step always runs.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;

    let session = client.create(CreateSessionParams::new()).await?;
    println!("created {} by request {}", session.id(), session.request_id);
    let outcome = work(&session).await;
    session.delete().await?;
    outcome?;

    let params = CreateSessionParams::new().image("linux_latest").labels([("project", "demo"), ("stage", "test")]);
    let labelled = client.create(params).await?;
    let labels = labelled.labels().await;
    labelled.delete().await?;
    assert_eq!(labels?.get("project").map(String::as_str), Some("demo"));

    let id = {
        let scoped = client.create(CreateSessionParams::new().delete_on_drop(true)).await?;
        scoped.id().to_owned()
    };
    wait_until_gone(&client, &id).await
}

async fn work(session: &Session) -> Result<()> {
    let output = session.command().run("echo at work").await?;
    assert_eq!(output.stdout, "at work\n");
    Ok(())
}

/// The end of a scope only asks for the deletion; it happens a moment later.
async fn wait_until_gone(client: &AgentBay, id: &str) -> Result<()> {
    let mut checks = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..200 {
        checks.tick().await;
        match client.get(id).await {
            Err(Error::NotFound(_)) => return Ok(()),
            other => drop(other?),
        }
    }
    panic!("session {id} outlived its scope");
}
