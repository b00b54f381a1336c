//! Metadata at rest: traits and back ends. No business rules live here.

#![forbid(unsafe_code)]

mod error;
mod failing;
mod metadata;
mod rows;
pub mod sqlite;
#[cfg(test)]
mod suite;

pub use error::StoreError;
pub use failing::{FailingStore, StoreFault, StoreOp};
pub use metadata::MetadataStore;
pub use rows::{KeyRow, Page, PageQuery, SessionChange, SessionRow, TenantRow};
pub use sqlite::SqliteStore;
