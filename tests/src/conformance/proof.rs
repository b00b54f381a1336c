//! That a fact is really watched: broken on purpose, one of its scenarios must turn red.

use super::breaker::{Breaker, Front};
use super::catalogue::{Catalogue, Fact, Scenario};
use super::column::{Detour, Status, run};
use crate::Server;
use crate::typescript::{Address, replay};
use anyhow::{Context, Result};

/// What came of breaking a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// These scenarios turned red.
    Red(Vec<String>),
    /// Nobody noticed. With what would have had to.
    Unnoticed(Vec<String>),
    /// A test does it: this one.
    Tested(String),
    /// The rule was never met: nothing was broken.
    NeverMet,
    /// Each of its scenarios is a known gap, or absent, so nothing can be seen.
    Unprovable,
}

/// Breaks a fact between the SDK and the server, and runs what must notice it.
pub fn prove(server: &Server, catalogue: &Catalogue, fact: &Fact) -> Result<Proof> {
    let Some(rule) = fact.rule.clone() else {
        return Ok(Proof::Tested(fact.test.clone().context("neither a break nor a test")?));
    };
    if let Some(name) = &fact.replay {
        let breaker = Breaker::start(server, rule, Front::Plain)?;
        let address = Address { url: breaker.plain(), key: server.key()? };
        let noticed = std::thread::scope(|scope| {
            let replayed = || Ok::<_, anyhow::Error>(tokio::runtime::Runtime::new()?.block_on(replay(name, &address)).is_err());
            scope.spawn(replayed).join().map_err(|_| anyhow::anyhow!("the replay {name} panicked"))?
        })?;
        let what = vec![format!("the replay {name}")];
        let (red, green) = if noticed { (what, Vec::new()) } else { (Vec::new(), what) };
        return Ok(judge(&breaker, red, green));
    }
    let column = catalogue.columns.iter().find(|column| column.name() == fact.column).context("its column is not there")?;
    let is_seen = |scenario: &&Scenario| scenario.facts.contains(&fact.id) && catalogue.gap(column, &scenario.id).is_none();
    let scenarios: Vec<_> = catalogue.scenarios.iter().filter(is_seen).filter(|scenario| !scenario.slow).collect();
    if scenarios.is_empty() {
        return Ok(Proof::Unprovable);
    }
    // Python alone speaks plain HTTP when it is told to.
    let breaker = Breaker::start(server, rule, if column.sdk == "python" { Front::Plain } else { Front::Tls })?;
    let detour = Detour { endpoint: breaker.endpoint(), plain: breaker.plain() };
    let report = run(server, column, &scenarios, Some(&detour));
    let of = |status| report.cells.iter().filter(move |(_, cell)| cell.status == status).map(|(id, _)| id.clone()).collect::<Vec<_>>();
    Ok(judge(&breaker, of(Status::Fail), of(Status::Pass)))
}

fn judge(breaker: &Breaker, red: Vec<String>, green: Vec<String>) -> Proof {
    match (breaker.hits(), red.is_empty(), green.is_empty()) {
        (_, true, true) => Proof::Unprovable,
        (0, ..) => Proof::NeverMet,
        (_, false, _) => Proof::Red(red),
        (_, true, _) => Proof::Unnoticed(green),
    }
}
