//! SQLite: the back end that needs no set-up.
//!
//! One connection writes and a few read. The journal is a write-ahead log, synced at checkpoints: a committed write
//! survives the death of the server at any moment, and a power cut may take the last moments but never the order.

mod contexts;
mod keys;
mod sessions;
mod text;

use crate::{
    ContextChange, ContextQuery, ContextRow, ContextRows, KeyRow, MetadataStore, Page, PageQuery, SessionChange, SessionRow, StoreError,
    TenantRow, Usage, UsageDelta,
};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, migrate::Migrator};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use types::{ContextId, KeyId, NodeId, SessionId, TenantId, Timestamp};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a statement waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection of ours.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// Metadata in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database file, makes it (mode 0600) when it is not there, and brings its tables up to date.
    ///
    /// [`StoreError::Open`] when the directory is missing or not writable, the file is no database, or a newer server
    /// wrote it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: Cause| StoreError::Open { path: path.to_owned(), source };
        // SQLite would make it readable for all under the usual umask; its side files take the mode of the main one.
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|e| failed(e.into()))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(|e| failed(e.into()))?;
        drop(file);

        let options = connect_options().filename(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
        let writer = pool(1).connect_with(options.clone()).await.map_err(|e| failed(e.into()))?;
        MIGRATIONS.run(&writer).await.map_err(|e| failed(e.into()))?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(|e| failed(e.into()))?;
        Ok(Self { writer, readers })
    }

    /// A database that is gone when the store is dropped. For tests.
    pub async fn open_in_memory() -> Result<Self, StoreError> {
        let failed = |source: Cause| StoreError::Open { path: ":memory:".into(), source };
        // Every connection to `:memory:` is a database of its own, so there is exactly one.
        let only = pool(1).connect_with(connect_options().in_memory(true)).await.map_err(|e| failed(e.into()))?;
        MIGRATIONS.run(&only).await.map_err(|e| failed(e.into()))?;
        Ok(Self { writer: only.clone(), readers: only })
    }

    /// Closes every connection, which also folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin_write(&self, doing: &'static str) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        // Taking the write lock at once: a transaction that reads first and upgrades later can be refused mid-way.
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(database(doing))
    }
}

#[async_trait]
impl MetadataStore for SqliteStore {
    async fn add_tenant(&self, tenant: &TenantRow) -> Result<(), StoreError> {
        keys::add_tenant(self, tenant).await
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Option<TenantRow>, StoreError> {
        keys::tenant_by_name(self, name).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        keys::tenants(self).await
    }

    async fn add_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        keys::add_key(self, key).await
    }

    async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<KeyRow>, StoreError> {
        keys::key_by_hash(self, hash).await
    }

    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<KeyRow>, StoreError> {
        keys::keys(self, tenant).await
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        keys::revoke_key(self, id, at).await
    }

    async fn add_session(&self, row: &SessionRow) -> Result<(), StoreError> {
        sessions::add(self, row).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        sessions::find(self, tenant, id).await
    }

    async fn change_session(&self, id: &SessionId, epoch: i64, change: &SessionChange) -> Result<(), StoreError> {
        sessions::change(self, id, epoch, change).await
    }

    async fn page_sessions(&self, tenant: &TenantId, query: &PageQuery) -> Result<Page, StoreError> {
        sessions::page(self, tenant, query).await
    }

    async fn count_live(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        sessions::count_live(self, tenant).await
    }

    async fn adopt_sessions(&self, node: &NodeId) -> Result<Vec<SessionRow>, StoreError> {
        sessions::adopt(self, node).await
    }

    async fn forget_finished(&self, before: Timestamp) -> Result<u64, StoreError> {
        sessions::forget_finished(self, before).await
    }

    async fn add_context(&self, row: &ContextRow) -> Result<(), StoreError> {
        contexts::add(self, row).await
    }

    async fn context(&self, tenant: &TenantId, id: &ContextId) -> Result<Option<ContextRow>, StoreError> {
        contexts::find(self, tenant, id).await
    }

    async fn context_by_name(&self, tenant: &TenantId, name: &str) -> Result<Option<ContextRow>, StoreError> {
        contexts::by_name(self, tenant, name).await
    }

    async fn page_contexts(&self, tenant: &TenantId, query: &ContextQuery) -> Result<ContextRows, StoreError> {
        contexts::page(self, tenant, query).await
    }

    async fn contexts_usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        contexts::usage(self, tenant).await
    }

    async fn change_context(&self, id: &ContextId, epoch: i64, change: &ContextChange) -> Result<ContextRow, StoreError> {
        contexts::change(self, id, epoch, change).await
    }

    async fn begin_context_write(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
        contexts::begin_write(self, id, epoch).await
    }

    async fn end_context_write(&self, id: &ContextId, epoch: i64, delta: UsageDelta, at: Timestamp) -> Result<(), StoreError> {
        contexts::end_write(self, id, epoch, delta, at).await
    }

    async fn remove_context(&self, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
        contexts::remove(self, id, epoch).await
    }

    async fn unsettled_contexts(&self) -> Result<Vec<ContextRow>, StoreError> {
        contexts::unsettled(self).await
    }

    async fn shared_secret(&self, name: &str, fresh: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        const DOING: &str = "reading a shared secret";
        let mut tx = self.begin_write(DOING).await?;
        sqlx::query("INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(fresh.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(database(DOING))?;
        let row = sqlx::query("SELECT value FROM secrets WHERE name = ?").bind(name).fetch_one(&mut *tx).await.map_err(database(DOING))?;
        tx.commit().await.map_err(database(DOING))?;
        let value: Vec<u8> = row.try_get("value").map_err(database(DOING))?;
        value.try_into().map_err(|_| text::damaged(DOING, "a secret is not 32 bytes long"))
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn connect_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // These connections are to a file of ours: nothing closes them behind our back, so none is probed or aged.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { doing, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_suite_in_memory_and_in_a_file() {
        crate::suite::run(&SqliteStore::open_in_memory().await.unwrap()).await;
        let dir = tempfile::tempdir().unwrap();
        crate::suite::run(&SqliteStore::open(&dir.path().join("meta.db")).await.unwrap()).await;
    }

    #[tokio::test]
    async fn the_file_is_private_and_keeps_what_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.db");
        let first = SqliteStore::open(&path).await.unwrap();
        let secret = first.shared_secret("s", &[1; 32]).await.unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        }
        // Not closed: as after kill -9, the next opener finds a write-ahead log.
        let second = SqliteStore::open(&path).await.unwrap();
        assert_eq!(second.shared_secret("s", &[2; 32]).await.unwrap(), secret);
        first.close().await;
        second.close().await;
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meta.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = SqliteStore::open(&path).await.unwrap_err().to_string();
        assert!(error.contains("meta.db"), "{error}");
        let error = SqliteStore::open(&dir.path().join("no/such/dir.db")).await.unwrap_err().to_string();
        assert!(error.contains("no/such/dir.db"), "{error}");
    }
}
