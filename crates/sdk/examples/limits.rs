//! Errors by kind, and trying again only where that helps.

use roadstead_sdk::{AgentBay, CreateSessionParams, Error, ListParams, Response, Result, Session};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;

    let session = create_patiently(&client).await?;
    println!("{} in the end", session.id());
    session.delete().await?;

    let refused = client.list(ListParams::new().limit(101)).await;
    assert!(matches!(refused, Err(Error::Validation { .. })), "{refused:?}");

    let unknown = client.create(CreateSessionParams::new().image("no_such_image")).await.expect_err("no such image");
    println!("{unknown}");
    assert!(!unknown.is_retryable() && unknown.request_id().is_some(), "{unknown:?}");

    let missing = client.get("session-doesnotexist").await.expect_err("no such session");
    assert!(matches!(missing, Error::NotFound(_)) && !missing.is_retryable(), "{missing:?}");

    let stranger = AgentBay::builder().api_key("akm-nobody").endpoint(client.endpoint()).build()?;
    let denied = stranger.list(ListParams::new()).await.expect_err("nobody's key");
    assert!(matches!(denied, Error::Authentication(_)) && !denied.is_retryable(), "{denied:?}");

    let nowhere = AgentBay::builder().api_key("akm-nobody").endpoint("http://127.0.0.1:1").build()?;
    let unreachable = nowhere.list(ListParams::new()).await.expect_err("nobody listens there");
    assert!(matches!(unreachable, Error::Transport { .. }) && unreachable.is_retryable(), "{unreachable:?}");
    Ok(())
}

/// Waits longer and longer while a limit or an overload stands in the way.
async fn create_patiently(client: &AgentBay) -> Result<Response<Session>> {
    let mut pause = Duration::from_millis(200);
    loop {
        match client.create(CreateSessionParams::new()).await {
            Err(error @ (Error::LimitExceeded(_) | Error::Api(_))) if error.is_retryable() && pause < Duration::from_secs(10) => {
                eprintln!("{error}; once more in {} ms", pause.as_millis());
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
}
