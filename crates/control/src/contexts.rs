//! Contexts: named data that outlives sessions.
//!
//! ```text
//!   made ──►┌───────────┐ clear  ┌──────────┐
//!           │ Available ├───────►│ Clearing │  files are being removed, nothing is written
//!           └─────┬─────┘◄───────┴────┬─────┘
//!                 │        removed    │
//!                 │ delete            │ delete
//!           ┌─────▼───────────────────▼─────┐
//!           │ Deleting                      │  gone for its user, its name is free
//!           └─────────────┬─────────────────┘
//!                         │ files removed: no row is left
//! ```
//!
//! Every change of state raises the row's epoch, and a file is put in its place only while the epoch is the one it was begun
//! under: what was written before a clearing never shows up after it. What removes files is a task that a restart goes on
//! with.
//!
//! A row counts its context's files. The count follows the files: whoever changes one says so in the row before and after,
//! so that a server that was killed in between knows to count anew.
//!
//! - [`service`] is the one door: every operation finds the context by tenant and id there, or does not find it.
//! - [`write`] puts files in their place; [`room`] is how much a tenant may put.
//! - [`gate`] keeps writes and changes of state of one context apart; [`settle`] removes and counts in the background.

mod gate;
mod room;
pub(crate) mod service;
pub(crate) mod settle;
mod write;

pub use service::Contexts;
pub use store::objects::{ByteRange, Entry, FileMeta, FileRead};

use gate::Gates;
use room::Rooms;
use std::sync::Arc;
use store::ContextRow;
use tokio::sync::{Mutex, Semaphore};
use types::{ContextId, ContextState, Timestamp};

/// How much tenants may keep in contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextLimits {
    /// Contexts one tenant may have.
    pub per_tenant: u64,
    /// Bytes in all contexts of one tenant.
    pub bytes_per_tenant: u64,
    /// Files in one context.
    pub files_per_context: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files that are written at once on this server; further ones wait. Each takes up to 15 MiB of memory.
    pub writes_at_once: usize,
}

impl Default for ContextLimits {
    /// 10,000 contexts, 1 TiB, a million files, 40 GiB, 32.
    fn default() -> Self {
        Self { per_tenant: 10_000, bytes_per_tenant: 1 << 40, files_per_context: 1_000_000, file_bytes: 40 << 30, writes_at_once: 32 }
    }
}

/// A context as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextView {
    /// Its id.
    pub id: ContextId,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: ContextState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a file of it was last written or read.
    pub used_at: Timestamp,
    /// How many files it has.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl From<ContextRow> for ContextView {
    fn from(row: ContextRow) -> Self {
        let ContextRow { id, name, state, created_at, used_at, usage, .. } = row;
        Self { id, name, state, created_at, used_at, files: usage.files, bytes: usage.bytes }
    }
}

/// One page of contexts, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextPage {
    /// The contexts.
    pub contexts: Vec<ContextView>,
    /// How many there are in all.
    pub total: u64,
    /// Where the next page starts; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// Which part of a folder to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesPart {
    /// The page of this number, from 1 on.
    Page {
        /// Its number.
        number: u64,
        /// Entries on a page.
        size: u32,
    },
    /// What comes after a cursor, or the beginning.
    After {
        /// Of the page before.
        cursor: Option<String>,
        /// Entries on a page.
        limit: u32,
    },
}

/// Some of what lies directly in a folder, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesPage {
    /// Files and folders.
    pub entries: Vec<Entry>,
    /// How many there are in the folder.
    pub total: u64,
    /// Where the next page starts; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What the engine keeps in memory about contexts.
#[derive(Debug)]
pub(crate) struct ContextWork {
    gates: Gates,
    rooms: Arc<Rooms>,
    writes: Semaphore,
    /// Contexts are made one at a time, so that their number stays within its limit.
    making: Mutex<()>,
}

impl ContextWork {
    pub(crate) fn new(limits: &ContextLimits) -> Self {
        Self { gates: Gates::default(), rooms: Arc::default(), writes: Semaphore::new(limits.writes_at_once), making: Mutex::default() }
    }
}
