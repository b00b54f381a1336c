//! What is kept: metadata behind a trait, files of contexts as objects. No business rules live here.

#![forbid(unsafe_code)]

mod error;
mod failing;
mod metadata;
pub mod objects;
mod rows;
pub mod sqlite;
#[cfg(test)]
mod suite;

pub use error::StoreError;
pub use failing::{FailingStore, StoreFault, StoreOp};
pub use metadata::MetadataStore;
pub use objects::{Objects, ObjectsError};
pub use rows::{
    ContextChange, ContextQuery, ContextRow, ContextRows, KeyRow, Page, PageQuery, SessionChange, SessionRow, TenantRow, Usage, UsageDelta,
};
pub use sqlite::SqliteStore;
