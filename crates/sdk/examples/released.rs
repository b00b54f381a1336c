//! A released session cannot come back: make a new one.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, Response, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let old = client.create(CreateSessionParams::new()).await?;
    old.delete().await?;

    let second = old.delete().await;
    assert!(matches!(second, Err(Error::NotFound(_))), "deleting twice: {second:?}");
    let command = old.command().run("true").await;
    assert!(command.is_err(), "a released session runs nothing: {command:?}");

    let session = get_or_create(&client, old.id()).await?;
    let outcome = session.command().run("echo anew").await;
    session.delete().await?;
    assert_eq!(outcome?.stdout, "anew\n");
    assert_ne!(session.id(), old.id());
    Ok(())
}

async fn get_or_create(client: &AgentBay, id: &str) -> Result<Response<Session>> {
    match client.get(id).await {
        Err(Error::NotFound(error)) => {
            println!("{error}; making a new one");
            client.create(CreateSessionParams::new()).await
        }
        found => found,
    }
}
