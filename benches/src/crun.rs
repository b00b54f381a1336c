//! The peer: `crun` from Debian on the same root file system, driven by its command line as people drive it.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bundle that `crun` can run.
#[derive(Debug)]
pub(crate) struct Crun {
    bundle: tempfile::TempDir,
}

impl Crun {
    /// Mounts the image read-only and writes a bundle; `None` when this host has no `crun`.
    pub(crate) fn prepare(image: &Path) -> Result<Option<Self>> {
        if Command::new("crun").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let bundle = tempfile::tempdir()?;
        let root = bundle.path().join("rootfs");
        std::fs::create_dir(&root)?;
        run(Command::new("mount").args(["-t", "erofs", "-o", "ro"]).arg(image).arg(&root)).context("mounting the image for crun")?;
        let crun = Self { bundle };
        run(&mut crun.crun(&["spec"])).context("crun spec")?;
        let path = crun.path("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = serde_json::json!(["sh", "-c", "true"]);
        std::fs::write(path, config.to_string())?;
        Ok(Some(crun))
    }

    /// Makes a container, runs `true` in it, removes it: what `create → first command → delete` is for us.
    pub(crate) fn run_true(&self, id: &str) -> Result<()> {
        run(&mut self.crun(&["run", id]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bundle.path().join(name)
    }

    /// crun refuses a host that has v1 controllers beside an empty v2 tree; where it is so, the v2 mount is hidden
    /// from it in a mount namespace of its own.
    fn crun(&self, args: &[&str]) -> Command {
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null; exec crun \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "crun"]).args(args);
        command.current_dir(self.bundle.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Crun {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path("rootfs")).status();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}
