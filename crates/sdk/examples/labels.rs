//! Labels: set, read, replaced as a whole, found by, and refused.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, ListParams, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&client, &session).await;
    session.delete().await?;
    outcome
}

async fn walk(client: &AgentBay, session: &Session) -> Result<()> {
    let run = format!("run-{}", std::process::id());
    session.set_labels([("run", run.as_str()), ("stage", "test")]).await?;
    println!("{:?}", session.labels().await?.value);

    session.set_labels([("run", run.as_str()), ("owner", "ada")]).await?;
    let labels = session.labels().await?;
    assert_eq!(labels.get("owner").map(String::as_str), Some("ada"));
    assert!(!labels.contains_key("stage"), "setting replaces the whole set");

    let found = client.list(ListParams::new().label("run", &run)).await?;
    assert_eq!(found.session_ids(), [session.id()]);

    let refused: [&[(&str, &str)]; 3] = [&[], &[("", "value")], &[("key", "")]];
    for labels in refused {
        let answer = session.set_labels(labels.iter().copied()).await;
        assert!(matches!(answer, Err(Error::Validation { .. })), "{labels:?}: {answer:?}");
    }
    Ok(())
}
