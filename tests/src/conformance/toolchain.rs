//! Programs of columns, each with its SDK release from its registry, made once per target directory.

use super::catalogue::{Column, folder};
use crate::bins::target_dir;
use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What starts a column's program.
#[derive(Debug, Clone)]
pub struct Program {
    executable: PathBuf,
    args: Vec<String>,
}

impl Program {
    /// Makes it, or finds it made.
    pub fn prepare(column: &Column) -> Result<Self> {
        if let Some(package) = Package::of(&column.sdk) {
            let script = folder().join(&column.sdk).join("program.py");
            let args = vec![script.display().to_string(), column.mode.clone()];
            return Ok(Self { executable: package.environment(&column.version, &column.with)?, args });
        }
        if column.sdk == "rust" {
            return Ok(Self { executable: target_dir()?.join("release/conformance-rust"), args: Vec::new() });
        }
        let prepare = folder().join(&column.sdk).join("prepare.sh");
        ensure!(prepare.exists(), "{} is missing: no program for {}", prepare.display(), column.release());
        let (dir, _lock) = place(&format!("agentbay-{}", column.release()))?;
        run(Command::new(prepare).arg(&column.version).arg(&dir))?;
        Ok(Self { executable: dir.join("run"), args: vec![column.mode.clone()] })
    }

    /// The program's file, for `Server::sdk_command`.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Its arguments.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

/// The Python of a virtual environment with that release of the official AgentBay SDK in it. `with`: packages that the
/// release needs and does not declare.
pub fn virtualenv(version: &str, with: &[String]) -> Result<PathBuf> {
    AGENTBAY.environment(version, with)
}

/// The same with AGB's.
pub fn agb_virtualenv(version: &str) -> Result<PathBuf> {
    AGB.environment(version, &[])
}

const AGENTBAY: Package = Package { sdk: "python", name: "wuying-agentbay-sdk", module: "agentbay", folder: "agentbay-python" };
const AGB: Package = Package { sdk: "agb", name: "agbcloud-sdk", module: "agb", folder: "agb" };

/// An SDK in Python.
struct Package {
    sdk: &'static str,
    name: &'static str,
    module: &'static str,
    folder: &'static str,
}

impl Package {
    fn of(sdk: &str) -> Option<Self> {
        [AGENTBAY, AGB].into_iter().find(|package| package.sdk == sdk)
    }

    /// The Python of a virtual environment with a release in it.
    fn environment(&self, version: &str, with: &[String]) -> Result<PathBuf> {
        let Self { name, module, folder, .. } = self;
        let (dir, _lock) = place(&format!("{folder}-{version}"))?;
        let python = dir.join("bin/python");
        let installed = || {
            Command::new(&python)
                .arg("-c")
                .arg(format!("import {module}, importlib.metadata as m; print(m.version('{name}'))"))
                .output()
                .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == version)
        };
        if !installed() {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
            run(Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("{name}=={version}"))
                .args(with))?;
            ensure!(installed(), "{name} {version} was asked for, another release was installed, or it does not load");
        }
        Ok(python)
    }
}

/// `TARGET/sdk/<name>` with a lock beside it, so that two do not fill it at once.
pub(crate) fn place(name: &str) -> Result<(PathBuf, Flock<File>)> {
    let sdks = target_dir()?.join("sdk");
    std::fs::create_dir_all(&sdks)?;
    let lock = sdks.join(format!("{name}.lock"));
    let file = File::create(&lock).with_context(|| format!("making {}", lock.display()))?;
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("waiting for another maker")?;
    Ok((sdks.join(name), held))
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
