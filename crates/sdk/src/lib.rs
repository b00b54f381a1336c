//! Sessions in the cloud or on your own machine, from Rust.
//!
//! A *session* is an isolated Linux machine for an agent: run commands, read and write files, call MCP tools, open a
//! port to the outside, leave, come back. This crate speaks the AgentBay session protocol, so the same program runs
//! against a [Roadstead](https://github.com/roadstead/roadstead) server and against the hosted service.
//!
//! ```no_run
//! use roadstead_sdk::{AgentBay, CreateSessionParams};
//!
//! #[tokio::main]
//! async fn main() -> roadstead_sdk::Result<()> {
//!     let client = AgentBay::from_env()?; // AGENTBAY_API_KEY, AGENTBAY_ENDPOINT
//!     let session = client.create(CreateSessionParams::new().label("project", "demo")).await?;
//!
//!     session.files().write("/tmp/hello.py", "print('hello from', __import__('platform').node())\n").await?;
//!     let output = session.command().run("python3 /tmp/hello.py").await?;
//!     println!("{} (request {})", output.stdout, output.request_id);
//!
//!     session.delete().await?;
//!     Ok(())
//! }
//! ```
//!
//! * [`AgentBay`] is the client: create, get, attach, list, delete.
//! * [`Session`] is the handle: info, labels, links, tools, [`Session::command`], [`Session::code`], [`Session::pty`],
//!   [`Session::files`], [`Session::git`], [`Session::env`], [`Session::metrics`].
//! * [`Contexts`] is named data that outlives sessions: [`AgentBay::contexts`].
//! * [`SessionPool`] keeps sessions ready.
//! * Every result is a [`Response`], which is the value and the request's id.
//! * Every failure is an [`Error`], which says of what kind it is and whether trying again helps.
//! * [`native`] is what only a Roadstead server offers.
//! * [`agb`] says how what a program on AGB's SDK does is written here.
//!
//! Every call may be dropped before it is done. What only asks is asked again, twice at most, when the connection broke or
//! the service was overloaded, and so is what a rate limit refused; nothing else is repeated behind the caller's back.
//!
//! # The guides' walks
//!
//! Each is a program in `examples/`, run by `cargo run --example NAME` with the two variables above set.
#![doc = "\n## Create and delete\n\n```no_run"]
#![doc = include_str!("../examples/create_delete.rs")]
#![doc = "```\n\n## Ten sessions, listed five at a time\n\n```no_run"]
#![doc = include_str!("../examples/list_pages.rs")]
#![doc = "```\n\n## Labels\n\n```no_run"]
#![doc = include_str!("../examples/labels.rs")]
#![doc = "```\n\n## Info and the resource URL\n\n```no_run"]
#![doc = include_str!("../examples/info.rs")]
#![doc = "```\n\n## Watch, recover by id, attach\n\n```no_run"]
#![doc = include_str!("../examples/recover.rs")]
#![doc = "```\n\n## A released session does not come back\n\n```no_run"]
#![doc = include_str!("../examples/released.rs")]
#![doc = "```\n\n## A link to a port\n\n```no_run"]
#![doc = include_str!("../examples/link.rs")]
#![doc = "```\n\n## Tools and commands\n\n```no_run"]
#![doc = include_str!("../examples/tools.rs")]
#![doc = "```\n\n## Limits and errors\n\n```no_run"]
#![doc = include_str!("../examples/limits.rs")]
#![doc = "```\n\n## Code\n\n```no_run"]
#![doc = include_str!("../examples/code.rs")]
#![doc = "```\n\n## A command as a stream\n\n```no_run"]
#![doc = include_str!("../examples/stream.rs")]
#![doc = "```\n\n## A terminal\n\n```no_run"]
#![doc = include_str!("../examples/pty.rs")]
#![doc = "```\n\n## Changes as they happen\n\n```no_run"]
#![doc = include_str!("../examples/watch.rs")]
#![doc = "```\n\n## Git\n\n```no_run"]
#![doc = include_str!("../examples/git.rs")]
#![doc = "```\n\n## Large files\n\n```no_run"]
#![doc = include_str!("../examples/transfer.rs")]
#![doc = "```\n\n## Data that outlives sessions\n\n```no_run"]
#![doc = include_str!("../examples/contexts.rs")]
#![doc = "```\n\n## A pool of sessions\n\n```no_run"]
#![doc = include_str!("../examples/pool.rs")]
#![doc = "```"]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod agb;
mod client;
mod code;
mod command;
mod config;
mod contexts;
mod endpoint;
mod env;
mod envelope;
mod error;
mod files;
mod git;
mod labels;
mod link;
mod list;
mod metrics;
pub mod native;
mod params;
mod poll;
mod pool;
mod pty;
mod response;
mod sender;
mod session;
mod tls;
mod tools;
mod transfer;
mod transport;
mod wait;
mod ws;

pub use client::AgentBay;
pub use code::{Code, CodeEnd, CodeError, CodeEvent, CodeOutput, CodeResult, CodeStream, Language, RunCode, RunCodeStream};
pub use command::{Command, CommandEvent, CommandOutput, CommandSignals, CommandStdin, CommandStream, Cut, RunCommand, StreamCommand};
pub use config::AgentBayBuilder;
pub use contexts::{Context, ContextEntry, ContextFilesPage, ContextPage, ContextState, Contexts, EntryKind, FileUrl};
pub use env::Environment;
pub use error::{ApiError, Error, Result, ToolError};
pub use files::{ChangeKind, DirectoryEntry, Edit, FileChange, FileChanges, FileInfo, FileSystem, PathKind};
pub use git::{
    Branch, CloneOptions, Commit, CommitOptions, ConfigScope, FileStatus, Git, GitError, GitErrorKind, Remote, ResetMode, StatusEntry,
    WorkTree,
};
pub use list::{ListParams, SessionPage, SessionSummary};
pub use metrics::Metrics;
pub use params::CreateSessionParams;
pub use pool::{PoolOptions, SessionPool};
pub use pty::{Pty, PtyInput, PtyOptions, PtySize, Ptys};
pub use response::Response;
pub use session::{DeleteOptions, Deleted, LinkParams, LinkProtocol, Session, SessionInfo, SessionProperties, SessionStatus};
pub use tools::{CallOptions, McpTool, ToolResult};
pub use transfer::{FileReader, FileWriter};
