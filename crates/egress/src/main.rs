//! `roadstead-egress`: see the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let config = egress::Config::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(config.log_level).init();
    match egress::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}
