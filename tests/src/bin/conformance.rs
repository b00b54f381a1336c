//! Runs the conformance matrix and prints its table. See `tests/conformance/README.md`.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use globset::Glob;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tests::Server;
use tests::conformance::{Catalogue, Column, Fact, Proof, Report, Scenario, Table, Verdicts, control, document, prove, run};

/// Official SDK releases run our scenarios against a really started server.
#[derive(Debug, Parser)]
struct Args {
    /// Columns to run, as a glob over names such as `python-0.22.3-async`.
    #[arg(long, default_value = "*")]
    columns: Glob,
    /// Scenarios to run, as a glob over their ids.
    #[arg(long, default_value = "*")]
    scenarios: Glob,
    /// Only what the gate runs: the newest release of each SDK and one old one, without slow scenarios.
    #[arg(long)]
    gate: bool,
    /// Columns at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Rewrite the table in COMPATIBILITY.md.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Fail when the table in COMPATIBILITY.md says something else.
    #[arg(long)]
    check: bool,
    /// Instead of the matrix: break each fact of the protocol on purpose, and fail when no scenario turns red.
    #[arg(long)]
    breaks: bool,
    /// With --breaks: facts to break, as a glob over their ids.
    #[arg(long, default_value = "*")]
    facts: Glob,
    /// Print the end of each program's standard error.
    #[arg(long)]
    logs: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match if args.breaks { breaks(&args) } else { matrix(&args) } {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            println!("\n{} complaints", complaints.len());
            complaints.iter().for_each(|complaint| println!("  {complaint:.360}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; returns what is wrong.
fn matrix(args: &Args) -> Result<Vec<String>> {
    let began = Instant::now();
    let catalogue = Catalogue::load()?;
    let (columns, scenarios) = (args.columns.compile_matcher(), args.scenarios.compile_matcher());
    let columns: Vec<_> =
        catalogue.columns.iter().filter(|column| columns.is_match(column.name()) && (column.gate || !args.gate)).collect();
    let scenarios: Vec<_> =
        catalogue.scenarios.iter().filter(|scenario| scenarios.is_match(&scenario.id) && !(scenario.slow && args.gate)).collect();
    ensure!(!columns.is_empty() && !scenarios.is_empty(), "nothing to run: no column or no scenario has such a name");

    let mut verdicts = Verdicts::default();
    let mut complaints = Vec::new();
    for report in run_all(&columns, &scenarios, args)? {
        complaints.extend(verdicts.judge(&catalogue, &report));
    }
    println!("\n{:28} {:>6} {:>6} {:>6} {:>6}", "", "pass", "absent", "gap", "fail");
    for column in &columns {
        let [pass, absent, gap, fail] = verdicts.counts(&column.name());
        println!("{:28} {pass:>6} {absent:>6} {gap:>6} {fail:>6}", column.name());
    }
    println!("{} columns, {} scenarios, {} s", columns.len(), scenarios.len(), began.elapsed().as_secs());

    if columns.len() == catalogue.columns.len() && scenarios.len() == catalogue.scenarios.len() {
        complaints.extend(verdicts.unused_gaps(&catalogue));
    }
    complaints.extend(settle(args, &catalogue, &verdicts)?);
    Ok(complaints)
}

/// Breaks facts; returns those that nobody noticed. First, columns that prove facts by way of a proxy that breaks nothing.
fn breaks(args: &Args) -> Result<Vec<String>> {
    let began = Instant::now();
    let catalogue = Catalogue::load()?;
    let matcher = args.facts.compile_matcher();
    let facts: Vec<_> = catalogue.facts.iter().filter(|fact| matcher.is_match(&fact.id)).collect();
    let proves = |column: &&Column| matcher.is_match("control") && catalogue.facts.iter().any(|fact| fact.column == column.name());
    let controls = catalogue.columns.iter().filter(proves).map(Work::Control);
    let works: Vec<_> = controls.chain(facts.into_iter().map(Work::Break)).collect();
    let server = Server::start().context("starting the server")?;
    let outcomes = at_once(args.jobs, &works, |work| match work {
        Work::Control(column) => unbroken(&server, &catalogue, column),
        Work::Break(fact) => broken(&server, &catalogue, fact),
    });
    println!("{} proofs, {} s", works.len(), began.elapsed().as_secs());
    Ok(outcomes.into_iter().flatten().collect())
}

enum Work<'a> {
    Control(&'a Column),
    Break(&'a Fact),
}

/// What is wrong with a column when nothing is broken.
fn unbroken(server: &Server, catalogue: &Catalogue, column: &Column) -> Option<String> {
    let name = format!("unbroken, {}", column.name());
    let red = control(server, catalogue, column).unwrap_or_else(|error| vec![format!("{error:#}")]);
    println!("{name:32} {}", if red.is_empty() { "green".to_owned() } else { format!("RED: {}", red.join("; ")) });
    (!red.is_empty()).then(|| format!("{name}: {}", red.join("; ")))
}

/// What is wrong with a fact that was broken.
fn broken(server: &Server, catalogue: &Catalogue, fact: &Fact) -> Option<String> {
    let proof = prove(server, catalogue, fact);
    let said = match &proof {
        Ok(Proof::Red(red)) => format!("red: {}", red.join(", ")),
        Ok(Proof::Tested(test)) => format!("by the test {test}"),
        Ok(Proof::Unprovable) => "not to be seen yet: its scenarios are gaps".to_owned(),
        Ok(Proof::NeverMet) => "NEVER MET".to_owned(),
        Ok(Proof::Unnoticed(green)) => format!("NOT NOTICED by {}", green.join(", ")),
        Err(error) => format!("{error:#}"),
    };
    println!("{:32} {said}", fact.id);
    let is_proven = matches!(proof, Ok(Proof::Red(_) | Proof::Tested(_) | Proof::Unprovable));
    (!is_proven).then(|| format!("{}: {said}", fact.id))
}

/// Every column, some at a time, on one server; each is told of as it ends.
fn run_all(columns: &[&Column], scenarios: &[&Scenario], args: &Args) -> Result<Vec<Report>> {
    let server = Server::start().context("starting the server")?;
    Ok(at_once(args.jobs, columns, |column| {
        let report = run(&server, column, scenarios, None);
        println!("{:28} {:>4} s", column.name(), report.took.as_secs());
        if args.logs {
            println!("{}\n{}", report.log, slowest(&report));
        }
        report
    }))
}

/// Does `work` for each item, `jobs` at a time.
fn at_once<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The five slowest scenarios of a column.
fn slowest(report: &Report) -> String {
    let mut cells: Vec<_> = report.cells.iter().map(|(scenario, cell)| (cell.ms, scenario)).collect();
    cells.sort_unstable_by(|one, other| other.cmp(one));
    cells.iter().take(5).map(|(ms, scenario)| format!("  {scenario} {ms} ms")).collect::<Vec<_>>().join("\n")
}

/// Writes the table or compares it.
fn settle(args: &Args, catalogue: &Catalogue, verdicts: &Verdicts) -> Result<Vec<String>> {
    if !args.write && !args.check {
        return Ok(Vec::new());
    }
    let path = document();
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let (told, seen) = (Table::read(&text)?, Table::of(catalogue, verdicts));
    if args.check {
        return Ok(seen.differences(&told));
    }
    std::fs::write(&path, seen.over(told).write(catalogue, &text)?).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote the table in {}", path.display());
    Ok(Vec::new())
}
