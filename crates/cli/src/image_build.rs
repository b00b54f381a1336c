//! `roadstead image build`: an image from its recipe, by a short-lived root process of its own.

use crate::failure::Failure;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where the recipes are installed; `ROADSTEAD_SHARE` says another place.
const SHARE: &str = "/usr/local/share/roadstead";

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

fn recipes(share: &Path) -> String {
    let entries = std::fs::read_dir(share.join("images")).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() { "none (run `make install`)".to_owned() } else { names.join(", ") }
}
