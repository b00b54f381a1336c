//! Runs the conformance scenarios through `roadstead-sdk`. See `tests/conformance/README.md`.

#![forbid(unsafe_code)]

mod bench;
mod context;
mod file;
mod other;
mod session;
mod shell;

use anyhow::Result;
use bench::{Bench, Scenario};
use std::io::Write;
use std::time::{Duration, Instant};
use tests::conformance::Catalogue;

const LIMIT: Duration = Duration::from_secs(100);

#[tokio::main]
async fn main() -> Result<()> {
    // The workspace has one version, so the SDK's is ours.
    report(&serde_json::json!({ "sdk": "rust", "version": env!("CARGO_PKG_VERSION"), "mode": "async" }))?;
    let known: Vec<(&str, Scenario)> =
        [session::SCENARIOS, shell::SCENARIOS, file::SCENARIOS, other::SCENARIOS, context::SCENARIOS].concat();
    let asked = std::env::var("ROADSTEAD_CONFORMANCE_SCENARIOS").unwrap_or_default();
    let asked: Vec<String> = match asked.as_str() {
        "" => Catalogue::load()?.scenarios.into_iter().map(|scenario| scenario.id).collect(),
        ids => ids.split(',').map(str::to_owned).collect(),
    };
    let bench = Bench::new()?;
    for id in &asked {
        let began = Instant::now();
        let (status, detail) = match known.iter().find(|(name, _)| name == id) {
            // Scenarios are written for every call that this crate has, so what has none has no call.
            None => ("absent", "this version of the crate has no such call".to_owned()),
            Some((_, scenario)) => match tokio::time::timeout(LIMIT, scenario(&bench)).await {
                Ok(Ok(())) => ("pass", String::new()),
                Ok(Err(error)) => ("fail", format!("{error:#}").chars().take(500).collect()),
                Err(_) => ("fail", "the scenario took too long".to_owned()),
            },
        };
        bench.tidy(status == "fail").await;
        let ms = began.elapsed().as_millis();
        report(&serde_json::json!({ "scenario": id, "status": status, "detail": detail, "ms": ms }))?;
    }
    bench.tidy(true).await;
    Ok(())
}

fn report(line: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
