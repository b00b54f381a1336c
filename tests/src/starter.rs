//! A starter for one test.

use crate::Bins;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running starter; dropped, it and its sandboxes are ended and its directories removed.
#[derive(Debug)]
pub struct Starter {
    instance: String,
    root: PathBuf,
    /// Further arguments it was started with.
    args: Vec<String>,
    bins: Bins,
    server_uid: u32,
}

impl Starter {
    /// Starts one for the server with this uid. Its directories lie below `root`.
    pub fn start(bins: &Bins, root: &Path, instance: &str, server_uid: u32, args: &[String]) -> Result<Self> {
        let starter = Self { instance: instance.to_owned(), root: root.to_owned(), args: args.to_vec(), bins: bins.clone(), server_uid };
        starter.launch()?;
        Ok(starter)
    }

    /// Starts the program (again).
    pub fn launch(&self) -> Result<()> {
        let output = as_root(&self.bins.starter)
            .args(["--instance", &self.instance, "--server-uid", &self.server_uid.to_string()])
            .arg("--guest")
            .arg(&self.bins.guest)
            .arg("--egress")
            .arg(&self.bins.egress)
            .arg("--images-dir")
            .arg(&self.bins.images)
            .arg("--state-dir")
            .arg(self.state_dir())
            .arg("--run-dir")
            .arg(self.run_dir())
            .args(&self.args)
            .output()
            .context("running the starter")?;
        ensure!(
            output.status.success(),
            "the starter did not start: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Where the server finds it.
    pub fn socket(&self) -> PathBuf {
        self.run_dir().join("starter.sock")
    }

    /// Its root-only directory.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The name under which its cgroups stand.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Its pid, from its lock file.
    pub fn pid(&self) -> Result<i32> {
        let output = as_root(Path::new("cat")).arg(self.state_dir().join("lock")).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().context("reading the starter's pid from its lock file")
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            let _ = as_root(Path::new("kill")).args(["-TERM", &pid.to_string()]).output();
            // Gone when its /proc entry is: it ends its sandboxes first.
            let gone = crate::wait_until(std::time::Duration::from_secs(20), || !Path::new(&format!("/proc/{pid}")).exists());
            if !gone {
                let _ = as_root(Path::new("kill")).args(["-KILL", &pid.to_string()]).output();
            }
        }
        let _ = as_root(Path::new("rm")).args(["-rf", "--one-file-system"]).arg(&self.root).output();
    }
}

/// A command run with root's rights.
pub(crate) fn as_root(program: &Path) -> Command {
    if nix::unistd::geteuid().is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.arg("-n").arg(program);
        command
    }
}
