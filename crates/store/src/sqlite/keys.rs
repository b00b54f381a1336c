//! Tenants and keys.

use super::text::{self, get, parse};
use super::{SqliteStore, database};
use crate::{KeyRow, StoreError, TenantRow};
use sqlx::sqlite::SqliteRow;
use types::{KeyId, TenantId, Timestamp};

pub(super) async fn add_tenant(store: &SqliteStore, tenant: &TenantRow) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tenants (id, name, created_ms) VALUES (?, ?, ?)")
        .bind(tenant.id.as_str())
        .bind(&tenant.name)
        .bind(text::to_ms(tenant.created_at))
        .execute(&store.writer)
        .await
        .map_err(|e| on_conflict(e, "adding a tenant", || format!("tenant {:?}", tenant.name)))?;
    Ok(())
}

pub(super) async fn tenant_by_name(store: &SqliteStore, name: &str) -> Result<Option<TenantRow>, StoreError> {
    let row = sqlx::query("SELECT id, name, created_ms FROM tenants WHERE name = ?")
        .bind(name)
        .fetch_optional(&store.readers)
        .await
        .map_err(database(READING_TENANTS))?;
    row.as_ref().map(tenant_row).transpose()
}

pub(super) async fn tenants(store: &SqliteStore) -> Result<Vec<TenantRow>, StoreError> {
    let rows = sqlx::query("SELECT id, name, created_ms FROM tenants ORDER BY name")
        .fetch_all(&store.readers)
        .await
        .map_err(database(READING_TENANTS))?;
    rows.iter().map(tenant_row).collect()
}

pub(super) async fn add_key(store: &SqliteStore, key: &KeyRow) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO keys (id, tenant, name, hash, admin, created_ms, revoked_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(key.id.as_str())
        .bind(key.tenant.as_str())
        .bind(&key.name)
        .bind(key.hash.as_slice())
        .bind(key.admin)
        .bind(text::to_ms(key.created_at))
        .bind(key.revoked_at.map(text::to_ms))
        .execute(&store.writer)
        .await
        .map_err(|e| match e.as_database_error() {
            Some(d) if d.is_foreign_key_violation() => StoreError::NotFound { what: format!("tenant {}", key.tenant) },
            _ => on_conflict(e, "adding a key", || format!("key {}", key.id)),
        })?;
    Ok(())
}

pub(super) async fn key_by_hash(store: &SqliteStore, hash: &[u8; 32]) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM keys WHERE hash = ?")
        .bind(hash.as_slice())
        .fetch_optional(&store.readers)
        .await
        .map_err(database(READING_KEYS))?;
    row.as_ref().map(key_row).transpose()
}

pub(super) async fn keys(store: &SqliteStore, tenant: Option<&TenantId>) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM keys WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_ms, id")
        .bind(tenant.map(TenantId::as_str))
        .fetch_all(&store.readers)
        .await
        .map_err(database(READING_KEYS))?;
    rows.iter().map(key_row).collect()
}

pub(super) async fn revoke_key(store: &SqliteStore, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE keys SET revoked_ms = COALESCE(revoked_ms, ?) WHERE id = ?")
        .bind(text::to_ms(at))
        .bind(id.as_str())
        .execute(&store.writer)
        .await
        .map_err(database("revoking a key"))?;
    if done.rows_affected() == 0 { Err(StoreError::NotFound { what: format!("key {id}") }) } else { Ok(()) }
}

const READING_TENANTS: &str = "reading tenants";
const READING_KEYS: &str = "reading keys";

fn tenant_row(row: &SqliteRow) -> Result<TenantRow, StoreError> {
    Ok(TenantRow {
        id: parse(row, READING_TENANTS, "id")?,
        name: get(row, READING_TENANTS, "name")?,
        created_at: text::from_ms(READING_TENANTS, get(row, READING_TENANTS, "created_ms")?)?,
    })
}

fn key_row(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    let hash: &[u8] = get(row, READING_KEYS, "hash")?;
    Ok(KeyRow {
        id: parse(row, READING_KEYS, "id")?,
        tenant: parse(row, READING_KEYS, "tenant")?,
        name: get(row, READING_KEYS, "name")?,
        hash: hash.try_into().map_err(|_| text::damaged(READING_KEYS, "a key's hash is not 32 bytes long"))?,
        admin: get(row, READING_KEYS, "admin")?,
        created_at: text::from_ms(READING_KEYS, get(row, READING_KEYS, "created_ms")?)?,
        revoked_at: get::<Option<i64>>(row, READING_KEYS, "revoked_ms")?.map(|ms| text::from_ms(READING_KEYS, ms)).transpose()?,
    })
}

fn on_conflict(error: sqlx::Error, doing: &'static str, what: impl Fn() -> String) -> StoreError {
    match error.as_database_error() {
        Some(d) if d.is_unique_violation() => StoreError::Exists { what: what() },
        _ => database(doing)(error),
    }
}
