//! `roadstead init`: the data directory and the first key, for whoever starts the server under another user.

use crate::failure::Failure;
use std::path::Path;

/// Prepare the data directory; prints the first key's text when it makes it, and nothing later
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {}

pub(crate) fn run(_args: &InitArgs, data_dir: &Path) -> Result<(), Failure> {
    crate::serve::init(data_dir)
}
