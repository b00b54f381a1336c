//! The official Python SDK, unmodified, from its registry.

use anyhow::{Result, ensure};
use tests::Server;
use tests::conformance::virtualenv;

/// The newest release, and the version the scenario was written for.
pub(crate) const NEWEST: &str = "0.22.3";

#[test]
fn the_synchronous_client_does_everything() -> Result<()> {
    first_light("sync")
}

#[test]
fn the_asynchronous_client_does_everything() -> Result<()> {
    first_light("async")
}

fn first_light(mode: &str) -> Result<()> {
    let python = virtualenv(NEWEST, &[])?;
    let server = Server::start()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/first_light.py");
    let output = server.sdk_command(&python)?.arg(script).arg(mode).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{mode}: {}\n{stdout}\n{}", output.status, &stderr[stderr.len().saturating_sub(6000)..]);
    ensure!(stdout.contains("11 steps done"), "{mode}: not every step ran:\n{stdout}");
    Ok(())
}
