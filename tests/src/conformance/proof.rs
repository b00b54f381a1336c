//! That a fact is really watched: broken on purpose, one of its scenarios must turn red.

use super::breaker::Breaker;
use super::catalogue::{Catalogue, Fact, Scenario};
use super::column::{Status, run};
use crate::Server;
use anyhow::{Context, Result};

/// What came of breaking a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// These scenarios turned red.
    Red(Vec<String>),
    /// Nobody noticed. With what would have had to.
    Unnoticed(Vec<String>),
    /// The rule was never met: nothing was broken.
    NeverMet,
    /// Each of its scenarios is a known gap, or absent, so nothing can be seen.
    Unprovable,
}

/// Breaks a fact between the SDK and the server, and runs its scenarios.
pub fn prove(server: &Server, catalogue: &Catalogue, fact: &Fact) -> Result<Proof> {
    let column = catalogue.columns.iter().find(|column| column.name() == fact.column).context("its column is not there")?;
    let is_seen = |scenario: &&Scenario| scenario.facts.contains(&fact.id) && catalogue.gap(column, &scenario.id).is_none();
    let scenarios: Vec<_> = catalogue.scenarios.iter().filter(is_seen).collect();
    if scenarios.is_empty() {
        return Ok(Proof::Unprovable);
    }
    let breaker = Breaker::start(server.fact("http")?, server.key()?, fact.rule.clone())?;
    let report = run(server, column, &scenarios, Some(breaker.url()));
    let of = |status| report.cells.iter().filter(move |(_, cell)| cell.status == status).map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let (red, green) = (of(Status::Fail), of(Status::Pass));
    Ok(match (breaker.hits(), red.is_empty(), green.is_empty()) {
        (_, true, true) => Proof::Unprovable,
        (0, ..) => Proof::NeverMet,
        (_, false, _) => Proof::Red(red),
        (_, true, _) => Proof::Unnoticed(green),
    })
}
