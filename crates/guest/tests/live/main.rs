//! The real guest program, outside a sandbox, driven through the host's own client. Needs root.

mod calls;
mod exec;
mod files;
mod host;
mod packets;
mod shell;
mod streams;
