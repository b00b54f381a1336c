//! `roadstead serve`: the server in the foreground.

use crate::failure::Failure;
use std::path::Path;

/// Serve in the foreground.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {}

pub(crate) fn run(_args: ServeArgs, _data_dir: &Path) -> Result<(), Failure> {
    Err(Failure::new("this build has no server"))
}
