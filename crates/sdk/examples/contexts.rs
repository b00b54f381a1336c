//! Data that outlives sessions: a context is made, filled, listed, read, cleared and deleted.

use roadstead_sdk::{AgentBay, Contexts, Error, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let contexts = AgentBay::from_env()?.contexts();
    let name = format!("example-{}", std::process::id());
    let id = contexts.create(&name).await?.into_value().id;
    let outcome = walk(&contexts, &id, &name).await;
    contexts.delete(&id).await?;
    assert!(matches!(contexts.get(&name).await, Err(Error::NotFound(_))));
    outcome
}

async fn walk(contexts: &Contexts, id: &str, name: &str) -> Result<()> {
    assert_eq!(contexts.create(name).await?.id, id, "a name has one context");
    contexts.put(id, "/notes/today.txt", "remember the milk").await?;
    let page = contexts.files(id, "/notes", 1, 50).await?;
    println!("{} file(s), the first: {} ({} bytes)", page.total_count, page.entries[0].path, page.entries[0].size);
    assert_eq!(contexts.read(id, "/notes/today.txt").await?, b"remember the milk");

    contexts.rename(id, &format!("{name}-renamed")).await?;
    contexts.clear(id).await?;
    assert_eq!(contexts.files(id, "/notes", 1, 50).await?.total_count, 0);
    Ok(())
}
