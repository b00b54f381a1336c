//! Ten sessions with a label, listed five at a time, and deleted page by page.

use futures::TryStreamExt;
use roadstead_sdk::{AgentBay, CreateSessionParams, Error, ListParams, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let client = AgentBay::from_env()?;
    let run = format!("run-{}", std::process::id());

    let outcome = walk(&client, &run).await;
    let listed: Vec<_> = client.sessions(ListParams::new().label("run", &run)).try_collect().await?;
    for session in listed {
        client.attach(&session.session_id)?.delete().await?;
    }
    outcome
}

async fn walk(client: &AgentBay, run: &str) -> Result<()> {
    for n in 0..10 {
        client.create(CreateSessionParams::new().label("run", run).label("n", n.to_string())).await?;
    }

    let params = ListParams::new().label("run", run).limit(5);
    let first = client.list(params.clone()).await?;
    println!("{} of {}, request {}", first.sessions.len(), first.total_count, first.request_id);
    assert_eq!((first.sessions.len(), first.total_count), (5, 10));

    let token = first.next_token.clone().expect("ten sessions fill more than one page of five");
    let second = client.list(params.next_token(token)).await?;
    assert_eq!(second.sessions.len(), 5);
    assert!(second.session_ids().iter().all(|id| !first.session_ids().contains(id)));

    assert_eq!(client.list_page([("run", run)], 2, 5).await?.session_ids(), second.session_ids());
    match client.list_page([("run", run)], 4, 5).await {
        Err(Error::PageOutOfRange { total_count, .. }) => println!("no page 4: there are {total_count} sessions"),
        other => panic!("page 4 of 2: {other:?}"),
    }

    for id in first.session_ids().into_iter().chain(second.session_ids()) {
        client.attach(id)?.delete().await?;
    }
    assert_eq!(client.list(ListParams::new().label("run", run)).await?.total_count, 0);
    Ok(())
}
