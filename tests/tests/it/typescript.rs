//! What the TypeScript SDK sends is answered as it needs it. That each replay notices a server that does otherwise is seen by
//! breaking its facts.

use anyhow::{Context, Result, ensure};
use tests::Server;
use tests::conformance::{Catalogue, Proof, prove};
use tests::typescript::{Address, REPLAYS, replay};

#[tokio::test]
async fn every_replay_passes() -> Result<()> {
    let server = Server::start()?;
    let address = Address { url: server.fact("http")?, key: server.key()? };
    for name in REPLAYS {
        replay(name, &address).await.with_context(|| format!("the replay {name}"))?;
    }
    Ok(())
}

#[test]
fn every_replay_fails_when_a_fact_of_it_is_broken() -> Result<()> {
    let server = Server::start()?;
    let catalogue = Catalogue::load()?;
    let mut tried = Vec::new();
    for fact in catalogue.facts.iter().filter(|fact| fact.replay.is_some()) {
        let proof = prove(&server, &catalogue, fact)?;
        ensure!(matches!(proof, Proof::Red(_)), "{}: {proof:?}", fact.id);
        tried.extend(fact.replay.as_deref());
    }
    ensure!(REPLAYS.iter().all(|name| tried.contains(name)), "a replay without a fact: {tried:?}");
    Ok(())
}
