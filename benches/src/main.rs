//! `make bench`: one run, our figures next to `crun`'s and the bare floor's, rows interleaved so that whatever else
//! the machine does hits all of them alike. Prints medians, tails and ratios; judges nothing.

#![forbid(unsafe_code)]

mod crun;
mod session;
mod stats;
mod transfer;

use anyhow::{Context, Result};
use tests::Server;

#[tokio::main]
async fn main() -> Result<()> {
    let argument = std::env::args().nth(1);
    // What a caller with a server of its own does once; without it TLS cannot choose its arithmetic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if argument.as_deref() == Some(transfer::PEER_ARGUMENT) {
        return transfer::be_peer().await;
    }
    let rounds: usize = argument.map_or(Ok(100), |n| n.parse()).context("usage: bench [ROUNDS]")?;
    let server = Server::start()?;
    session::run(&server, rounds).await?;
    transfer::run(&server).await
}
