//! Releases of the Python SDK that make a context of their own before every session.

use anyhow::{Result, ensure};
use tests::Server;
use tests::conformance::virtualenv;

#[test]
fn release_0_9_3_makes_and_finds_its_session() -> Result<()> {
    run("0.9.3")
}

#[test]
fn release_0_12_0_makes_and_finds_its_session() -> Result<()> {
    run("0.12.0")
}

fn run(version: &str) -> Result<()> {
    let python = virtualenv(version, &[])?;
    let server = Server::start()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/old_contexts.py");
    let output = server.sdk_command(&python)?.arg(script).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let tail = &stderr[stderr.len().saturating_sub(6000)..];
    ensure!(output.status.success() && stdout.contains("all done"), "{version}: {}\n{stdout}\n{tail}", output.status);
    Ok(())
}
