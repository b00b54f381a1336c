//! Everything in one binary: linking is slow, tests are not. Each test starts what it needs and ends it.

mod auto_session;
mod bad_input;
mod cli;
mod code;
mod command_line;
mod conformance;
mod contexts;
mod direct;
mod isolation;
mod life;
mod links;
mod metrics;
mod network;
mod old_python;
mod python_sdk;
mod rust_sdk;
mod streams;
mod tenancy;
mod two_vendors;
mod typescript;
mod web_socket;
