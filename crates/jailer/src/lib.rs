//! Isolation: turns a plan into an isolated process. The one crate with `unsafe`, the one process with privileges.
//!
//! `roadstead-starter` is its program. As a library it offers what the neighbours share: the wire between server and
//! starter ([`wire`]), descriptors over sockets ([`fdpass`]), spawning of commands inside a sandbox ([`spawn`]) and the
//! seccomp policy ([`seccomp`]).

pub mod fdpass;
pub mod net;
pub mod seccomp;
pub mod spawn;
pub mod wire;
