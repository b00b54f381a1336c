//! `roadstead image build`: an image from its recipe, by a short-lived root process of its own; and what such processes,
//! whoever started them, say of themselves.

use crate::failure::Failure;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where the recipes are installed; `ROADSTEAD_SHARE` says another place.
const SHARE: &str = "/usr/local/share/roadstead";

/// Where builds say how far they are, for everybody: `ID.building` and `ID.failed`, one line each.
const STATUS_DIR: &str = "/run/roadstead/images";

/// Build an image from its recipe (asks for root)
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// The image to build
    #[arg(default_value = "linux_latest", value_name = "ID")]
    pub(crate) image: types::ImageId,
    /// Build it even when its recipe has not changed
    #[arg(long)]
    pub(crate) force: bool,
}

/// Runs the recipe; the exit code is the builder's.
pub(crate) fn run(args: &BuildArgs) -> Result<ExitCode, Failure> {
    let share = std::env::var_os("ROADSTEAD_SHARE").map_or_else(|| PathBuf::from(SHARE), PathBuf::from);
    let (builder, recipe) = (share.join("images/build"), share.join("images").join(args.image.as_str()));
    if !recipe.is_dir() {
        return Err(Failure::new(format!(
            "there is no recipe for {} in {}; known: {}",
            args.image,
            share.join("images").display(),
            recipes(&share)
        )));
    }
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new(&builder)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("--preserve-env=ROADSTEAD_MIRROR,ROADSTEAD_SECURITY_MIRROR,ROADSTEAD_NPM_REGISTRY,PIP_INDEX_URL,ROADSTEAD_IMAGE_EXTRA_CA")
            .arg(&builder);
        sudo
    };
    command.arg(args.image.as_str());
    if args.force {
        command.arg("--force");
    }
    let status = command.status().map_err(|error| Failure::io("running", &builder, &error))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// An image that is not there, or not as its recipe says, yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// Being built since this time (RFC 3339), now at this step.
    Running {
        /// When the build began.
        since: String,
        /// What it does now.
        step: String,
    },
    /// The last build failed at this time (RFC 3339); what it said is in the log.
    Failed {
        /// When it gave up.
        at: String,
        /// The file to look into.
        log: String,
    },
}

/// What is being built on this machine, and what failed to be, by image.
pub(crate) fn making() -> Vec<(String, Making)> {
    making_in(Path::new(STATUS_DIR), |pid| Path::new("/proc").join(pid).exists())
}

fn making_in(dir: &Path, alive: impl Fn(&str) -> bool) -> Vec<(String, Making)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let (path, line) = (entry.path(), std::fs::read_to_string(entry.path()).ok()?);
            let id = path.file_stem()?.to_str()?.to_owned();
            let mut words = line.trim().splitn(3, ' ').map(str::to_owned);
            match path.extension()?.to_str()? {
                // A build that was killed left its line behind.
                "building" => {
                    let (since, pid, step) = (words.next()?, words.next()?, words.next()?);
                    alive(&pid).then_some((id, Making::Running { since, step }))
                }
                "failed" => Some((id, Making::Failed { at: words.next()?, log: words.next()? })),
                _ => None,
            }
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn recipes(share: &Path) -> String {
    let entries = std::fs::read_dir(share.join("images")).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() { "none (run `make install`)".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_while_it_runs_and_when_it_failed() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, line: &str, expected: Option<Making>| {
            let file = dir.path().join(name);
            std::fs::write(&file, line).unwrap();
            let found = making_in(dir.path(), |pid| pid == "7");
            std::fs::remove_file(file).unwrap();
            assert_eq!(found, expected.map(|making| ("a_1".to_owned(), making)).into_iter().collect::<Vec<_>>(), "{name}: {line}");
        };
        let running = Making::Running { since: "2026-01-02T03:04:05Z".into(), step: "packing it as erofs".into() };
        check("a_1.building", "2026-01-02T03:04:05Z 7 packing it as erofs\n", Some(running));
        check("a_1.building", "2026-01-02T03:04:05Z 8 packing it as erofs\n", None);
        check("a_1.building", "2026-01-02T03:04:05Z", None);
        let failed = Making::Failed { at: "2026-01-02T03:04:05Z".into(), log: "/var/log/x.log".into() };
        check("a_1.failed", "2026-01-02T03:04:05Z /var/log/x.log\n", Some(failed));
        check("a_1.new", "anything at all", None);
        assert_eq!(making_in(&dir.path().join("absent"), |_| true), []);
    }
}
