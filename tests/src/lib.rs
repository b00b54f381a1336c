//! A server of one's own for every test: its own starter, data directory, ports and uid, all gone afterwards.

#![forbid(unsafe_code)]

mod bins;
pub mod conformance;
mod direct;
mod host;
pub mod raw;
mod rpc;
mod s3;
mod server;
mod starter;
pub mod typescript;

pub use bins::Bins;
pub use direct::{Direct, Socket};
pub use host::{ProcStatus, descendants_of, namespace_inode, wait_until};
pub use rpc::{Answer, Rpc, ToolAnswer};
pub use s3::S3;
pub use server::{Server, ServerBuilder};
pub use starter::Starter;
