//! The real guest program, outside a sandbox, driven through the host's own client. Needs root.

mod calls;
mod code;
mod fake_kernel;
mod files;
mod host;
mod shell;
mod streams;
