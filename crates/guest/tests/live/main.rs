//! The real guest program, outside a sandbox, driven through the host's own client. Needs root.

mod calls;
mod code;
mod exec;
mod fake_kernel;
mod files;
mod host;
mod packets;
mod pty;
mod shell;
mod streams;
mod transfer;
mod watch;
