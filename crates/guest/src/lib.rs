//! The program inside a sandbox: reaps, serves MCP, streams and tunnels on one Unix socket, and nothing else.
//!
//! It is PID 1 there, so it must not die of anything a client or a program inside does: input is parsed into types,
//! every queue and table is bounded, and nothing unwraps.
//!
//! There is no supervisor that would start it anew. It would cost every sandbox a second process, and what makes a
//! restart useful, the running calls and their results, would be lost with the first one anyway. When the guest dies
//! the kernel ends the sandbox, and its host sees that.

#![forbid(unsafe_code)]

pub mod calls;
pub mod files;
pub mod group;
pub mod kernel;
mod mcp;
pub mod process;
pub mod reaper;
pub mod server;
pub mod shell;
mod streams;
pub mod tools;
mod tunnel;
