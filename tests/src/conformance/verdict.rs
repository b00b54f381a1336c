//! What cells mean, next to the known gaps.

use super::catalogue::Catalogue;
use super::column::{Report, Status};
use std::collections::{BTreeMap, BTreeSet};

/// What one cell means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Pass,
    /// The SDK has no such call.
    Absent,
    /// It fails, and that is known.
    Gap,
    /// It fails, and nobody said so. With what was seen.
    Fail(String),
    /// It works, and is listed as a gap.
    Closed,
}

/// All cells of a run.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// By column, then by scenario.
    pub cells: BTreeMap<String, BTreeMap<String, Verdict>>,
    used: BTreeSet<usize>,
}

impl Verdicts {
    /// Judges a column; returns what must be said about it.
    pub fn judge(&mut self, catalogue: &Catalogue, report: &Report) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut cells = BTreeMap::new();
        for (scenario, cell) in &report.cells {
            let gap = catalogue.gap(&report.column, scenario);
            let verdict = match (&cell.status, gap) {
                (Status::Absent, _) => Verdict::Absent,
                (Status::Pass, None) => Verdict::Pass,
                (Status::Pass, Some(_)) => Verdict::Closed,
                (Status::Fail, Some(_)) => Verdict::Gap,
                (Status::Fail, None) => Verdict::Fail(cell.detail.clone()),
            };
            let name = report.column.name();
            match &verdict {
                Verdict::Fail(detail) => complaints.push(format!("{name} {scenario}: {detail}")),
                Verdict::Closed => complaints.push(format!("{name} {scenario}: passes, so its gap must go from gaps.toml")),
                Verdict::Gap => self.used.extend(catalogue.gaps.iter().position(|other| gap.is_some_and(|gap| std::ptr::eq(gap, other)))),
                _ => {}
            }
            cells.insert(scenario.clone(), verdict);
        }
        self.cells.insert(report.column.name(), cells);
        complaints
    }

    /// Gaps that no cell of a whole run stood in.
    pub fn unused_gaps(&self, catalogue: &Catalogue) -> Vec<String> {
        let unused = catalogue.gaps.iter().enumerate().filter(|(at, _)| !self.used.contains(at));
        unused.map(|(_, gap)| format!("no cell stands in the gap {} × {}: it must go from gaps.toml", gap.columns, gap.scenarios)).collect()
    }

    /// How many cells of a column are so: pass, absent, gap, fail.
    pub fn counts(&self, column: &str) -> [usize; 4] {
        let mut counts = [0; 4];
        for verdict in self.cells.get(column).into_iter().flat_map(BTreeMap::values) {
            let at = match verdict {
                Verdict::Pass => 0,
                Verdict::Absent => 1,
                Verdict::Gap => 2,
                Verdict::Fail(_) | Verdict::Closed => 3,
            };
            counts[at] += 1;
        }
        counts
    }
}
