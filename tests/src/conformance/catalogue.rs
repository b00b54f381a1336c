//! What `tests/conformance/*.toml` say: scenarios, facts of the protocol, columns, known gaps.

use super::rule::Rule;
use crate::typescript::REPLAYS;
use anyhow::{Context, Result, bail, ensure};
use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything together, in the order of the files.
#[derive(Debug)]
pub struct Catalogue {
    /// What is tried.
    pub scenarios: Vec<Scenario>,
    /// What the protocol demands.
    pub facts: Vec<Fact>,
    /// Who tries it.
    pub columns: Vec<Column>,
    /// What is known to fail.
    pub gaps: Vec<Gap>,
}

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In kebab case, as programs know it.
    pub id: String,
    /// The row group of the table.
    pub area: String,
    /// What a user gets from it.
    pub does: String,
    /// Facts that turn it red when broken.
    pub facts: Vec<String>,
    /// The image of its session, where it is not `linux_latest`.
    pub image: Option<String>,
    /// Takes longer than a minute; the gate leaves it out.
    #[serde(default)]
    pub slow: bool,
    /// A glob over the columns that are asked for it, where it is not all.
    pub columns: Option<String>,
}

impl Scenario {
    /// Whether a column is asked for it.
    pub fn asks(&self, column: &Column) -> bool {
        let is_among = |columns: &String| Glob::new(columns).is_ok_and(|glob| glob.compile_matcher().is_match(column.name()));
        self.columns.as_ref().is_none_or(is_among)
    }
}

/// One thing that SDKs rely on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// `topic.fact`.
    pub id: String,
    /// In our own words.
    pub states: String,
    /// How it is known.
    pub source: String,
    /// What the breaker does between SDK and server, so that it no longer holds.
    #[serde(rename = "break")]
    pub rule: Option<Rule>,
    /// What the TypeScript SDK sends, replayed, that then fails instead of a scenario.
    pub replay: Option<String>,
    /// `file::name` of a test that breaks it by itself, where nothing between SDK and server can.
    pub test: Option<String>,
    /// The column in which a scenario must turn red then; the newest synchronous Python by default.
    #[serde(default = "default_column")]
    pub column: String,
}

/// One SDK release in one mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `python`, `go`, `java`, `rust`, `agb`.
    pub sdk: String,
    /// The package's name in its registry.
    pub package: String,
    /// The release.
    pub version: String,
    /// `sync` or `async`.
    pub mode: String,
    /// Whether the release has more than one mode.
    pub has_modes: bool,
    /// Part of every run of the gate.
    pub gate: bool,
    /// Packages that the release needs and does not declare.
    pub with: Vec<String>,
}

/// Cells that are known to fail.
#[derive(Debug)]
pub struct Gap {
    /// Which columns.
    pub columns: String,
    /// Which scenarios.
    pub scenarios: String,
    /// Why, in the words of the table.
    pub reason: String,
    matchers: (GlobMatcher, GlobMatcher),
}

impl Catalogue {
    /// Reads and checks all files.
    pub fn load() -> Result<Self> {
        let scenarios = read::<ScenarioFile>("scenarios.toml")?.scenario;
        let facts = read::<FactFile>("facts.toml")?.fact;
        let columns = read::<ColumnFile>("columns.toml")?.sdk.into_iter().flat_map(SdkEntry::columns).collect();
        let gaps = read::<GapFile>("gaps.toml")?.gap.into_iter().map(GapEntry::compile).collect::<Result<_>>()?;
        let catalogue = Self { scenarios, facts, columns, gaps };
        catalogue.check()?;
        Ok(catalogue)
    }

    /// The gap that a cell stands in.
    pub fn gap(&self, column: &Column, scenario: &str) -> Option<&Gap> {
        let name = column.name();
        self.gaps.iter().find(|gap| gap.matchers.0.is_match(&name) && gap.matchers.1.is_match(scenario))
    }

    /// Each fact has a proof, each named fact exists, and nothing is there twice.
    fn check(&self) -> Result<()> {
        let facts: BTreeSet<_> = self.facts.iter().map(|fact| fact.id.as_str()).collect();
        let proven: BTreeSet<_> = self.scenarios.iter().flat_map(|scenario| scenario.facts.iter().map(String::as_str)).collect();
        ensure!(facts.len() == self.facts.len(), "facts.toml has an id twice");
        let unknown: Vec<_> = proven.difference(&facts).collect();
        ensure!(unknown.is_empty(), "scenarios.toml names facts that facts.toml has not: {unknown:?}");
        for fact in &self.facts {
            fact.check(proven.contains(fact.id.as_str())).with_context(|| format!("facts.toml: {}", fact.id))?;
        }
        let ids: BTreeSet<_> = self.scenarios.iter().map(|scenario| &scenario.id).collect();
        ensure!(ids.len() == self.scenarios.len(), "scenarios.toml has an id twice");
        let unasked: Vec<_> = self.scenarios.iter().filter(|scenario| !self.columns.iter().any(|column| scenario.asks(column))).collect();
        ensure!(unasked.is_empty(), "scenarios that no column is asked for: {unasked:?}");
        let names: BTreeSet<_> = self.columns.iter().map(Column::name).collect();
        ensure!(names.len() == self.columns.len(), "columns.toml has a column twice");
        let lost: Vec<_> = self.facts.iter().filter(|fact| !names.contains(&fact.column)).map(|fact| &fact.id).collect();
        ensure!(lost.is_empty(), "facts of columns that columns.toml has not: {lost:?}");
        Ok(())
    }
}

impl Fact {
    /// Exactly one thing proves it, and that is there.
    fn check(&self, has_scenario: bool) -> Result<()> {
        match (&self.rule, &self.replay, &self.test, has_scenario) {
            (Some(_), None, None, true) => Ok(()),
            (Some(_), Some(replay), None, false) => {
                ensure!(REPLAYS.contains(&replay.as_str()), "there is no replay {replay:?}");
                Ok(())
            }
            (None, None, Some(test), false) => {
                let (file, name) = test.split_once("::").context("test is no file::name")?;
                let path = folder().join("../tests/it").join(file).with_extension("rs");
                let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
                ensure!(text.contains(&format!("fn {name}()")), "there is no test {test}");
                Ok(())
            }
            _ => bail!("it needs a break and a scenario or a replay that notices it, or else a test"),
        }
    }
}

impl Column {
    /// `python-0.22.3-async`; without the mode where there is only one.
    pub fn name(&self) -> String {
        let release = self.release();
        if self.has_modes { format!("{release}-{}", self.mode) } else { release }
    }

    /// `python-0.22.3`.
    pub fn release(&self) -> String {
        format!("{}-{}", self.sdk, self.version)
    }
}

/// `tests/conformance` in the checkout.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn default_column() -> String {
    "python-0.22.3-sync".into()
}

#[derive(Deserialize)]
struct ScenarioFile {
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
struct FactFile {
    fact: Vec<Fact>,
}

#[derive(Deserialize)]
struct ColumnFile {
    sdk: Vec<SdkEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SdkEntry {
    name: String,
    package: String,
    release: Vec<Release>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    version: String,
    modes: Vec<String>,
    #[serde(default)]
    gate: bool,
    #[serde(default)]
    with: Vec<String>,
}

#[derive(Deserialize)]
struct GapFile {
    #[serde(default)]
    gap: Vec<GapEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GapEntry {
    columns: String,
    scenarios: String,
    reason: String,
}

impl SdkEntry {
    fn columns(self) -> Vec<Column> {
        let Self { name, package, release } = self;
        let column = |release: &Release, mode: &String| Column {
            sdk: name.clone(),
            package: package.clone(),
            version: release.version.clone(),
            mode: mode.clone(),
            has_modes: release.modes.len() > 1,
            gate: release.gate,
            with: release.with.clone(),
        };
        release.iter().flat_map(|release| release.modes.iter().map(|mode| column(release, mode)).collect::<Vec<_>>()).collect()
    }
}

impl GapEntry {
    fn compile(self) -> Result<Gap> {
        let matchers = (Glob::new(&self.columns)?.compile_matcher(), Glob::new(&self.scenarios)?.compile_matcher());
        Ok(Gap { columns: self.columns, scenarios: self.scenarios, reason: self.reason, matchers })
    }
}

fn read<T: DeserializeOwned>(name: &str) -> Result<T> {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in {}", path.display()))
}
