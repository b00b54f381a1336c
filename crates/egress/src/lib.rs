//! The way out of sandboxes: accepts their connections, applies the policy, dials.
//!
//! `roadstead-egress` is its program. The starter runs it as a user of its own without any privilege, and hands it each
//! sandbox's listeners, which are bound inside the sandbox's network namespace ([`jailer::net`]). It holds no key and
//! knows no tenant: all hostile traffic of a host ends here, and a program inside a sandbox that took this one over would
//! gain the network and nothing else.
//!
//! A redirected connect succeeds before anything is dialled. So whatever fails later, a refusal or a dead server, reaches
//! the client as a reset, and no connection that did not end in order looks as if it had.

#![forbid(unsafe_code)]

mod budget;
mod config;
mod control;
mod dns;
mod origin;
pub mod policy;
mod privileges;
mod relay;
mod sandbox;
mod traffic;

use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use config::Config;

/// The descriptor number of the control socket.
const CONTROL: i32 = 3;

/// Why the program could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was started with privileges.
    #[error("roadstead-egress runs without privileges only, but {0}; the starter gives it a user of its own")]
    Privileged(String),
    /// A step at the start failed.
    #[error("{step}: {source}")]
    Start {
        /// Which.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The control socket failed.
    #[error("the control socket: {0}")]
    Control(std::io::Error),
}

/// What all sandboxes share.
#[derive(Debug)]
struct Shared {
    config: Config,
    resolver: dns::Resolver,
    budget: budget::Budget,
}

/// Runs until the starter closes the control socket.
///
/// # Errors
/// [`Error`]: it was started wrongly.
pub fn run(config: Config) -> Result<(), Error> {
    let start = |step| move |source| Error::Start { step, source };
    privileges::none_left()?;
    let control: OwnedFd = jailer::net::inherited_socket(CONTROL).map_err(start("the control socket on descriptor 3"))?;
    let budget = budget::Budget::of_this_process().map_err(start("the limit of open files"))?;
    let resolver = dns::Resolver::new(&config);
    let shared = Arc::new(Shared { config, resolver, budget });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(shared.config.workers)
        .thread_name("egress")
        .enable_all()
        .build()
        .map_err(start("the runtime"))?;
    runtime.block_on(control::obey(control, shared)).map_err(Error::Control)
}
