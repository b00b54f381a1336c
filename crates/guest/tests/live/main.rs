//! The real guest program, outside a sandbox, driven through the host's own client. Needs root.

mod calls;
mod files;
mod host;
mod python;
mod shell;
mod streams;
