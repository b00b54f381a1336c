//! What a viewer needs: the resource URL for a browser tab, the other fields for a viewer of one's own.

use roadstead_sdk::{AgentBay, CreateSessionParams, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let session = client.create(CreateSessionParams::new()).await?;
    let outcome = walk(&session).await;
    session.delete().await?;
    outcome
}

async fn walk(session: &Session) -> Result<()> {
    let info = session.info().await?;
    assert_eq!(info.session_id, session.id());
    println!("{} {} {}", info.resource_id, info.app_id, info.resource_type);
    println!("open {}… within half an hour", info.resource_url.chars().take(60).collect::<String>());

    let viewer = serde_json::json!({
        "appId": info.app_id,
        "authCode": info.auth_code,
        "resourceId": info.resource_id,
        "resourceType": info.resource_type,
        "connectProperties": serde_json::from_str::<serde_json::Value>(&info.connection_properties).unwrap_or_default(),
        "ticket": info.ticket,
    });
    assert!(viewer["connectProperties"]["authMode"].is_string() || viewer["connectProperties"]["authMode"].is_number());
    assert!(!info.auth_code.is_empty() && !info.ticket.is_empty() && info.resource_url.starts_with("http"));
    Ok(())
}
