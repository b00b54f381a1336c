//! Everything in one binary: linking is slow, tests are not. Each test starts what it needs and ends it.

mod bad_input;
mod cli;
mod code;
mod isolation;
mod life;
mod links;
mod network;
mod python_sdk;
mod rust_sdk;
mod tenancy;
