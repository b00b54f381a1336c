//! `roadstead init`: the data directory, certificates and the first key.

use crate::failure::Failure;
use std::path::Path;

/// Prepare the data directory.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {}

pub(crate) fn run(_args: InitArgs, _data_dir: &Path) -> Result<(), Failure> {
    Err(Failure::new("this build cannot prepare a data directory"))
}
