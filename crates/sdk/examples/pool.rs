//! Sessions that are ready before they are needed.

use futures::TryStreamExt;
use roadstead_sdk::{AgentBay, CreateSessionParams, ListParams, PoolOptions, Result, SessionPool};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let params = CreateSessionParams::new().label("pool", "example");
    let pool = SessionPool::new(client.clone(), PoolOptions::new(2).params(params))?;
    pool.filled().await;

    let session = pool.take().await?;
    println!("{}", session.command().run("echo from $(hostname)").await?.stdout);
    // The taken one is replaced.
    pool.filled().await;
    assert_eq!(pool.ready(), 2);

    session.delete().await?;
    pool.close().await?;
    let left: Vec<_> = client.sessions(ListParams::new().label("pool", "example")).try_collect().await?;
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}
