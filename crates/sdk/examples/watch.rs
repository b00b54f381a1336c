//! Changes below a directory as they happen.

use futures::StreamExt;
use roadstead_sdk::{AgentBay, ChangeKind, CreateSessionParams, FileChanges, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    session.files().create_dir("/tmp/watched").await?;
    let mut changes = session.files().watch("/tmp/watched").await?;

    session.command().run("echo one > /tmp/watched/a").await?;
    expect(&mut changes, ChangeKind::Create, "/tmp/watched/a").await?;
    session.files().append("/tmp/watched/a", "two").await?;
    expect(&mut changes, ChangeKind::Modify, "/tmp/watched/a").await?;
    session.files().delete("/tmp/watched/a").await?;
    expect(&mut changes, ChangeKind::Delete, "/tmp/watched/a").await?;
    Ok(())
}

/// Reads on until this change comes; others may come before it.
async fn expect(changes: &mut FileChanges, kind: ChangeKind, path: &str) -> Result<()> {
    while let Some(change) = changes.next().await {
        let change = change?;
        println!("{:?} {}", change.kind, change.path);
        if change.kind == kind && change.path == path {
            return Ok(());
        }
    }
    panic!("the watch ended before {kind:?} {path}");
}
