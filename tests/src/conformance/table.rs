//! The table SDK release × scenario, as it stands in COMPATIBILITY.md.

use super::catalogue::{Catalogue, Column};
use super::verdict::{Verdict, Verdicts};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- conformance: begin; written by `make conformance ARGS=--write` -->";
const END: &str = "<!-- conformance: end -->";

/// Cells by release and scenario, as they are shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<(String, String), String>);

/// The document that holds it.
pub fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../COMPATIBILITY.md")
}

impl Table {
    /// The cells of a run. Only of releases of which every mode was run.
    pub fn of(catalogue: &Catalogue, verdicts: &Verdicts) -> Self {
        let mut cells = BTreeMap::new();
        for release in releases(catalogue) {
            let columns: Vec<_> = catalogue.columns.iter().filter(|column| column.release() == release).collect();
            let modes: Vec<_> = columns.iter().map(|column| column.name()).collect();
            for scenario in &catalogue.scenarios {
                let seen: Option<Vec<_>> = modes.iter().map(|mode| Some(symbol(verdicts.cells.get(mode)?.get(&scenario.id)?))).collect();
                if let Some(mut seen) = seen {
                    seen.dedup();
                    cells.insert((release.clone(), scenario.id.clone()), seen.join("/"));
                }
            }
        }
        Self(cells)
    }

    /// The table that a document holds.
    pub fn read(text: &str) -> Result<Self> {
        let (_, section, _) = split(text)?;
        let mut rows = section.lines().filter(|line| line.starts_with("| ")).map(cells_of);
        let mut cells = BTreeMap::new();
        let Some(head) = rows.next() else { return Ok(Self::default()) };
        for row in rows.filter(|row| row.first().is_some_and(|id| id.starts_with('`'))) {
            let id = row[0].trim_matches('`');
            for (release, cell) in head.iter().zip(&row).skip(1) {
                cells.insert((release.replace(' ', "-").to_lowercase(), id.to_owned()), cell.clone());
            }
        }
        Ok(Self(cells))
    }

    /// What differs from another table, in the cells that this one has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let nothing = String::new();
        let told = |key| other.0.get(key).unwrap_or(&nothing);
        let differing = self.0.iter().filter(|(key, cell)| told(key) != *cell);
        differing.map(|(key, cell)| format!("{} {}: the table says {:?}, the run {cell:?}", key.0, key.1, told(key))).collect()
    }

    /// Puts the cells of this one over those of another.
    #[must_use]
    pub fn over(self, mut other: Self) -> Self {
        other.0.extend(self.0);
        other
    }

    /// The document with this table in it.
    pub fn write(&self, catalogue: &Catalogue, text: &str) -> Result<String> {
        let (before, _, after) = split(text)?;
        Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.render(catalogue)?))
    }

    fn render(&self, catalogue: &Catalogue) -> Result<String> {
        let mut text = String::from(
            "`✓` works · `–` the SDK has no such call · `gap` known to fail, see below · empty: not asked of that release, or not run yet\n",
        );
        let releases = releases(catalogue);
        let heads: Vec<_> = releases.iter().map(|release| heading(release)).collect();
        write!(text, "\n| scenario | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()))?;
        for scenario in &catalogue.scenarios {
            let cell = |release: &String| self.0.get(&(release.clone(), scenario.id.clone())).cloned().unwrap_or_default();
            let cells: Vec<_> = releases.iter().map(cell).collect();
            writeln!(text, "| `{}` | {} |", scenario.id, cells.join(" | "))?;
        }
        text.push_str("\nWhat each scenario does:\n\n");
        for scenario in &catalogue.scenarios {
            writeln!(text, "* `{}`: {}", scenario.id, scenario.does)?;
        }
        text.push_str("\nKnown gaps, a list that only shrinks:\n\n");
        if catalogue.gaps.is_empty() {
            text.push_str("none\n");
        }
        for gap in &catalogue.gaps {
            writeln!(text, "* `{}` in `{}`: {}", gap.scenarios, gap.columns, gap.reason)?;
        }
        Ok(text)
    }
}

fn symbol(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass | Verdict::Closed => "✓",
        Verdict::Absent => "–",
        Verdict::Gap => "gap",
        Verdict::Fail(_) => "✗",
    }
}

/// `Python 0.22.3` for `python-0.22.3`, `AGB 0.12.0` for `agb-0.12.0`.
fn heading(release: &str) -> String {
    let (sdk, version) = release.split_once('-').unwrap_or((release, ""));
    if sdk == "agb" {
        return format!("AGB {version}");
    }
    let mut letters = sdk.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} {version}", letters.as_str())
}

fn releases(catalogue: &Catalogue) -> Vec<String> {
    let mut releases: Vec<_> = catalogue.columns.iter().map(Column::release).collect();
    releases.dedup();
    releases
}

fn cells_of(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn split(text: &str) -> Result<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN).context("COMPATIBILITY.md has no line that begins the conformance table")?;
    let (section, after) = rest.split_once(END).context("COMPATIBILITY.md has no line that ends the conformance table")?;
    Ok((before, section, after))
}
