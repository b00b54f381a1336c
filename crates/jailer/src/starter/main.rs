//! `roadstead-starter`: the small privileged process that makes sandboxes.
//!
//! It is separate from the server because forking costs by the size of the parent, and because nothing else should be
//! root. It outlives the server; sandboxes die with it.

mod cgroup;
mod child;
mod daemon;
mod dev;
mod egress;
mod host;
mod images;
mod janitor;
mod log;
mod maker;
mod options;
mod overlay;
mod plan;
mod registry;
mod sandbox;
mod server;
mod start;
mod sys;
mod text;
mod uid_ranges;
mod usage;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match daemon::launch(options::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-starter: {error}");
            ExitCode::FAILURE
        }
    }
}
