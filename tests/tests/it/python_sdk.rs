//! The official Python SDK, unmodified, from its registry.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use tests::Server;

/// The newest release, and the version the scenario was written for.
const NEWEST: &str = "0.22.3";

#[test]
fn the_synchronous_client_does_everything() -> Result<()> {
    first_light("sync")
}

#[test]
fn the_asynchronous_client_does_everything() -> Result<()> {
    first_light("async")
}

fn first_light(mode: &str) -> Result<()> {
    let python = virtualenv(NEWEST)?;
    let server = Server::start()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/first_light.py");
    let output = server.sdk_command(&python)?.arg(script).arg(mode).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{mode}: {}\n{stdout}\n{}", output.status, &stderr[stderr.len().saturating_sub(6000)..]);
    ensure!(stdout.contains("11 steps done"), "{mode}: not every step ran:\n{stdout}");
    Ok(())
}

/// A virtual environment with that release in it, made once per target directory.
pub(crate) fn virtualenv(version: &str) -> Result<PathBuf> {
    static MADE: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // Held while it is made, so that two tests do not make one.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(python) = made.get(version) {
        return Ok(python.clone());
    }
    let python = make(version)?;
    made.insert(version.to_owned(), python.clone());
    Ok(python)
}

fn make(version: &str) -> Result<PathBuf> {
    let target = std::env::current_exe()?.ancestors().nth(3).context("not in a target directory")?.to_owned();
    let dir = target.join("sdk").join(format!("agentbay-python-{version}"));
    let python = dir.join("bin/python");
    let installed = || {
        Command::new(&python)
            .args(["-c", "import agentbay, importlib.metadata as m; print(m.version('wuying-agentbay-sdk'))"])
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == version)
    };
    if !installed() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("wuying-agentbay-sdk=={version}")))?;
        ensure!(installed(), "version {version} was asked for, another one was installed");
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
