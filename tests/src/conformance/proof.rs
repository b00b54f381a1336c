//! That a fact is really watched: broken on purpose, one of its scenarios must turn red.

use super::breaker::{Breaker, Front};
use super::catalogue::{Catalogue, Column, Fact, Scenario};
use super::column::{Detour, Status, run};
use super::rule::Rule;
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
    let breaker = Breaker::start(server, rule, front(column))?;
    let detour = Detour { endpoint: breaker.endpoint(), plain: breaker.plain() };
    let report = run(server, column, &scenarios, Some(&detour));
    let of = |status| report.cells.iter().filter(move |(_, cell)| cell.status == status).map(|(id, _)| id.clone()).collect::<Vec<_>>();
    Ok(judge(&breaker, of(Status::Fail), of(Status::Pass)))
}

/// Runs everything that proves a column's facts by way of a proxy that breaks nothing; returns what turned red all the same,
/// whose red would say nothing of a fact.
pub fn control(server: &Server, catalogue: &Catalogue, column: &Column) -> Result<Vec<String>> {
    let facts: Vec<_> = catalogue.facts.iter().filter(|fact| fact.column == column.name()).map(|fact| &fact.id).collect();
    let proves = |scenario: &&Scenario| scenario.facts.iter().any(|id| facts.contains(&id));
    let seen = |scenario: &&Scenario| !scenario.slow && catalogue.gap(column, &scenario.id).is_none();
    let scenarios: Vec<_> = catalogue.scenarios.iter().filter(proves).filter(seen).collect();
    let front = front(column);
    // A rule for no request, that keeps the routes.
    let breaker = Breaker::start(server, Rule { routes: Some(front), ..Rule::default() }, front)?;
    let detour = Detour { endpoint: breaker.endpoint(), plain: breaker.plain() };
    let report = run(server, column, &scenarios, Some(&detour));
    let failed = report.cells.iter().filter(|(_, cell)| cell.status == Status::Fail);
    Ok(failed.map(|(id, cell)| format!("{id}: {}", cell.detail)).collect())
}

/// The Python SDKs alone speak plain HTTP when they are told to.
fn front(column: &Column) -> Front {
    if ["python", "agb"].contains(&column.sdk.as_str()) { Front::Plain } else { Front::Tls }
}

fn judge(breaker: &Breaker, red: Vec<String>, green: Vec<String>) -> Proof {
    match (breaker.hits(), red.is_empty(), green.is_empty()) {
        (_, true, true) => Proof::Unprovable,
        (0, ..) => Proof::NeverMet,
        (_, false, _) => Proof::Red(red),
        (_, true, _) => Proof::Unnoticed(green),
    }
}
