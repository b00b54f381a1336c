//! How the store can fail.

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row (or it belongs to another tenant, which is the same to the caller).
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The row's epoch moved on: another server owns it now.
    #[error("{what} is owned by another server (epoch {ours} is over)")]
    Fenced {
        /// Which row.
        what: String,
        /// The epoch that the caller thought it had.
        ours: i64,
    },
    /// A row with this identity exists already.
    #[error("{what} exists already")]
    Exists {
        /// Which row.
        what: String,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {path:?}; check that its directory exists and is writable, and that no newer server wrote it")]
    Open {
        /// Where it is.
        path: std::path::PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database failed.
    #[error("the database failed while {doing}")]
    Database {
        /// What was going on.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
