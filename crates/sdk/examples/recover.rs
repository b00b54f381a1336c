//! Coming back to a session by its id alone, and watching its health until it is released.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, Result, SessionProperties};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let id = session.id().to_owned();
    let outcome = walk(&client, &id).await;
    session.delete().await?;
    outcome?;

    match session.info().await {
        Err(Error::NotFound(error)) => println!("{id} is released: {}", error.message),
        other => panic!("a released session has no info: {other:?}"),
    }
    Ok(())
}

async fn walk(client: &AgentBay, id: &str) -> Result<()> {
    client.get(id).await?.files().write("/tmp/state", "kept").await?;

    // Another program, or this one after a restart, with nothing but the id.
    let attached = client.attach(id)?;
    assert_eq!(*attached.files().read("/tmp/state").await?, "kept");

    // The service does not keep the network fields; whoever needs them brings them along.
    let mut known = SessionProperties::default();
    known.session_id = id.to_owned();
    known.vpc_resource = true;
    known.network_interface_ip = Some("172.16.0.7".into());
    known.http_port = Some("8080".into());
    let attached = client.attach_with(known)?;
    assert_eq!(attached.properties().http_port.as_deref(), Some("8080"));

    // Health: while this succeeds the session lives.
    assert_eq!(attached.info().await?.session_id, id);
    attached.keep_alive().await?;
    println!("{id} is {}", attached.status().await?.as_str());
    Ok(())
}
