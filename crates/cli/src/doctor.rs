//! `roadstead doctor`: what this host gives, and what to do about the rest.

use crate::failure::Failure;
use std::path::Path;
use std::process::ExitCode;

/// Check this host.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}

pub(crate) fn run(_args: DoctorArgs, _data_dir: &Path, _json: bool) -> Result<ExitCode, Failure> {
    Err(Failure::new("this build cannot check the host"))
}
