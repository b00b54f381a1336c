//! One column: its program is run once, and every scenario gets a cell.

use super::catalogue::{Column, Scenario};
use super::toolchain::Program;
use crate::Server;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a program may be silent: a scenario and a bit.
const SILENCE: Duration = Duration::from_secs(150);
/// The same where a slow scenario is among them.
const SLOW_SILENCE: Duration = Duration::from_secs(400);
/// Where a scenario that wants plain HTTP finds its endpoint.
const PLAIN_ENDPOINT: &str = "ROADSTEAD_CONFORMANCE_PLAIN_ENDPOINT";
/// How much of a program's standard error is kept.
const LOG_LINES: usize = 60;

/// What became of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All that it demands was seen.
    Pass,
    /// Something was not, or nothing was reported.
    Fail,
    /// The SDK has no such call.
    Absent,
}

/// One line of a program's report.
#[derive(Debug, Clone, Deserialize)]
pub struct Cell {
    /// How it ended.
    pub status: Status,
    /// What was missing or wrong.
    #[serde(default)]
    pub detail: String,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub ms: u64,
}

/// A column that was run.
#[derive(Debug)]
pub struct Report {
    /// Which one.
    pub column: Column,
    /// One cell for each scenario that was asked for.
    pub cells: BTreeMap<String, Cell>,
    /// The end of its standard error.
    pub log: String,
    /// How long all of it took.
    pub took: Duration,
}

/// Addresses of a proxy before the server.
#[derive(Debug, Clone)]
pub struct Detour {
    /// What the SDK is told.
    pub endpoint: String,
    /// `http://…`, for scenarios that choose plain HTTP.
    pub plain: String,
}

/// Runs a column against a server, with those of the scenarios that it is asked for. `detour`: by way of a proxy.
pub fn run(server: &Server, column: &Column, scenarios: &[&Scenario], detour: Option<&Detour>) -> Report {
    let began = Instant::now();
    let mut cells = BTreeMap::new();
    let mut log = String::new();
    let scenarios: Vec<_> = scenarios.iter().copied().filter(|scenario| scenario.asks(column)).collect();
    let outcome = if scenarios.is_empty() { Ok(()) } else { speak(server, column, &scenarios, detour, &mut cells, &mut log) };
    let reason = outcome.err().map_or_else(|| "not reported".to_owned(), |error| format!("not run: {error:#}"));
    for scenario in scenarios {
        cells.entry(scenario.id.clone()).or_insert_with(|| Cell { status: Status::Fail, detail: reason.clone(), ms: 0 });
    }
    Report { column: column.clone(), cells, log, took: began.elapsed() }
}

#[derive(Deserialize)]
struct Header {
    sdk: String,
    version: String,
    mode: String,
}

#[derive(Deserialize)]
struct Line {
    scenario: String,
    #[serde(flatten)]
    cell: Cell,
}

fn speak(
    server: &Server,
    column: &Column,
    scenarios: &[&Scenario],
    detour: Option<&Detour>,
    cells: &mut BTreeMap<String, Cell>,
    log: &mut String,
) -> Result<()> {
    let program = Program::prepare(column)?;
    let ids: Vec<_> = scenarios.iter().map(|scenario| scenario.id.as_str()).collect();
    let mut command = server.sdk_command(program.executable())?;
    command
        .args(program.args())
        .env("ROADSTEAD_CONFORMANCE_SCENARIOS", ids.join(","))
        .env("ROADSTEAD_CONFORMANCE_URL", server.fact("http")?)
        .env("ROADSTEAD_CONFORMANCE_COLUMN", column.name())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match detour {
        Some(Detour { endpoint, plain }) => {
            command.envs([("AGENTBAY_ENDPOINT", endpoint), ("AGB_ENDPOINT", endpoint), (PLAIN_ENDPOINT, plain)])
        }
        None => command.env(PLAIN_ENDPOINT, server.fact("http")?),
    };
    let mut child = Running(command.spawn().context("starting the program")?);
    let errors = tail(child.0.stderr.take().context("stderr is piped")?);
    let lines = lines(child.0.stdout.take().context("stdout is piped")?);
    let silence = if scenarios.iter().any(|scenario| scenario.slow) { SLOW_SILENCE } else { SILENCE };
    let result = listen(&lines, silence, column, &ids, cells);
    if result.is_err() {
        child.stop();
    }
    let ended = child.0.wait()?;
    *log = errors.join().unwrap_or_default();
    result?;
    ensure!(ended.success(), "the program ended with {ended}");
    Ok(())
}

/// The header, which must name the release, then a line per scenario.
fn listen(lines: &Receiver<String>, silence: Duration, column: &Column, ids: &[&str], cells: &mut BTreeMap<String, Cell>) -> Result<()> {
    let mut header = None;
    loop {
        let line = match lines.recv_timeout(silence) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => anyhow::bail!("silent for {} s", silence.as_secs()),
        };
        if header.is_none() {
            let said: Header = serde_json::from_str(&line).with_context(|| format!("the first line is no header: {line:.200}"))?;
            let is_wanted = said.sdk == column.sdk && said.version == column.version && said.mode == column.mode;
            ensure!(is_wanted, "it speaks for {} {} {}", said.sdk, said.version, said.mode);
            header = Some(said);
            continue;
        }
        let line: Line = serde_json::from_str(&line).with_context(|| format!("not a line of a report: {line:.200}"))?;
        ensure!(ids.contains(&line.scenario.as_str()), "{} was reported and not asked for", line.scenario);
        let twice = cells.insert(line.scenario.clone(), line.cell);
        ensure!(twice.is_none(), "{} was reported twice", line.scenario);
    }
    ensure!(header.is_some(), "it said nothing");
    Ok(())
}

/// A program that does not outlive us.
struct Running(Child);

impl Running {
    fn stop(&mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        let _ = self.0.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

fn tail(pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = VecDeque::new();
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if kept.len() == LOG_LINES {
                kept.pop_front();
            }
            kept.push_back(String::from_utf8_lossy(&line).chars().take(400).collect::<String>());
        }
        Vec::from(kept).join("\n")
    })
}
