//! Contexts.

use super::text::{self, get, parse};
use super::{SqliteStore, database};
use crate::{ContextChange, ContextQuery, ContextRow, ContextRows, StoreError, Usage, UsageDelta};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use types::{ContextId, ContextState, TenantId, Timestamp};

/// As the partial indices have it, word for word: only then are they used.
const LISTED: &str = "state <> 'deleting'";
const READING: &str = "reading a context";

pub(super) async fn add(store: &SqliteStore, row: &ContextRow) -> Result<(), StoreError> {
    const DOING: &str = "adding a context";
    let added = sqlx::query(
        "INSERT INTO contexts (id, tenant, name, state, epoch, created_ns, used_ms, files, bytes, writers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.as_str())
    .bind(row.tenant.as_str())
    .bind(&row.name)
    .bind(row.state.as_str())
    .bind(row.epoch)
    .bind(text::to_ns(row.created_at))
    .bind(text::to_ms(row.used_at))
    .bind(to_column(row.usage.files))
    .bind(to_column(row.usage.bytes))
    .bind(row.writers)
    .execute(&store.writer)
    .await;
    added.map(drop).map_err(|error| match error.as_database_error() {
        Some(d) if d.is_unique_violation() => taken(&row.name),
        Some(d) if d.is_foreign_key_violation() => StoreError::NotFound { what: format!("tenant {}", row.tenant) },
        _ => database(DOING)(error),
    })
}

pub(super) async fn find(store: &SqliteStore, tenant: &TenantId, id: &ContextId) -> Result<Option<ContextRow>, StoreError> {
    let query = sqlx::query("SELECT * FROM contexts WHERE id = ? AND tenant = ?").bind(id.as_str()).bind(tenant.as_str());
    query.fetch_optional(&store.readers).await.map_err(database(READING))?.as_ref().map(context_row).transpose()
}

pub(super) async fn by_name(store: &SqliteStore, tenant: &TenantId, name: &str) -> Result<Option<ContextRow>, StoreError> {
    let mut select = QueryBuilder::<Sqlite>::new("SELECT * FROM contexts WHERE tenant = ");
    select.push_bind(tenant.as_str()).push(" AND name = ").push_bind(name).push(" AND ").push(LISTED);
    select.build().fetch_optional(&store.readers).await.map_err(database(READING))?.as_ref().map(context_row).transpose()
}

pub(super) async fn page(store: &SqliteStore, tenant: &TenantId, query: &ContextQuery) -> Result<ContextRows, StoreError> {
    const DOING: &str = "listing contexts";
    // One snapshot for the count and the rows.
    let mut tx = store.readers.begin().await.map_err(database(DOING))?;
    let mut count = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM contexts");
    push_filter(&mut count, tenant);
    let total: i64 = count.build_query_scalar().fetch_one(&mut *tx).await.map_err(database(DOING))?;
    let mut select = QueryBuilder::<Sqlite>::new("SELECT * FROM contexts");
    push_filter(&mut select, tenant);
    if let Some((created_at, id)) = &query.after {
        select.push(" AND (created_ns, id) < (").push_bind(text::to_ns(*created_at)).push(", ").push_bind(id.as_str()).push(")");
    }
    select.push(" ORDER BY created_ns DESC, id DESC LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows = select.build().fetch_all(&mut *tx).await.map_err(database(DOING))?;
    tx.commit().await.map_err(database(DOING))?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    let rows = rows.iter().take(limit).map(context_row).collect::<Result<_, _>>()?;
    Ok(ContextRows { rows, total: from_column(total), more })
}

pub(super) async fn usage(store: &SqliteStore, tenant: &TenantId) -> Result<Usage, StoreError> {
    const DOING: &str = "summing up contexts";
    let row = sqlx::query("SELECT COALESCE(SUM(files), 0) AS files, COALESCE(SUM(bytes), 0) AS bytes FROM contexts WHERE tenant = ?")
        .bind(tenant.as_str())
        .fetch_one(&store.readers)
        .await
        .map_err(database(DOING))?;
    Ok(Usage { files: from_column(get(&row, DOING, "files")?), bytes: from_column(get(&row, DOING, "bytes")?) })
}

pub(super) async fn change(store: &SqliteStore, id: &ContextId, epoch: i64, change: &ContextChange) -> Result<ContextRow, StoreError> {
    const DOING: &str = "changing a context";
    let changed = sqlx::query(
        "UPDATE contexts SET name = COALESCE(?, name), state = COALESCE(?, state), epoch = epoch + ?, used_ms = COALESCE(?, used_ms), \
         files = COALESCE(?, files), bytes = COALESCE(?, bytes), writers = CASE WHEN ? THEN ? ELSE writers END \
         WHERE id = ? AND epoch = ? RETURNING *",
    )
    .bind(change.name.as_deref())
    .bind(change.state.map(ContextState::as_str))
    .bind(i64::from(change.state.is_some()))
    .bind(change.used_at.map(text::to_ms))
    .bind(change.usage.map(|usage| to_column(usage.files)))
    .bind(change.usage.map(|usage| to_column(usage.bytes)))
    .bind(change.usage.is_some())
    .bind(change.still_writing)
    .bind(id.as_str())
    .bind(epoch)
    .fetch_optional(&store.writer)
    .await;
    match changed {
        Ok(Some(row)) => context_row(&row),
        Ok(None) => Err(refused(store, id, epoch).await?),
        Err(error) => match (error.as_database_error(), &change.name) {
            (Some(d), Some(name)) if d.is_unique_violation() => Err(taken(name)),
            _ => Err(database(DOING)(error)),
        },
    }
}

pub(super) async fn begin_write(store: &SqliteStore, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
    let begun = sqlx::query("UPDATE contexts SET writers = writers + 1 WHERE id = ? AND epoch = ?").bind(id.as_str()).bind(epoch);
    match begun.execute(&store.writer).await.map_err(database("beginning to write to a context"))?.rows_affected() {
        0 => Err(refused(store, id, epoch).await?),
        _ => Ok(()),
    }
}

pub(super) async fn end_write(store: &SqliteStore, id: &ContextId, epoch: i64, delta: UsageDelta, at: Timestamp) -> Result<(), StoreError> {
    let ended = sqlx::query(
        "UPDATE contexts SET writers = MAX(writers - 1, 0), files = MAX(files + ?, 0), bytes = MAX(bytes + ?, 0), \
         used_ms = MAX(used_ms, ?) WHERE id = ? AND epoch = ?",
    )
    .bind(delta.files)
    .bind(delta.bytes)
    .bind(text::to_ms(at))
    .bind(id.as_str())
    .bind(epoch);
    match ended.execute(&store.writer).await.map_err(database("counting a change of a context"))?.rows_affected() {
        0 => Err(refused(store, id, epoch).await?),
        _ => Ok(()),
    }
}

pub(super) async fn remove(store: &SqliteStore, id: &ContextId, epoch: i64) -> Result<(), StoreError> {
    let removed = sqlx::query("DELETE FROM contexts WHERE id = ? AND epoch = ?").bind(id.as_str()).bind(epoch);
    match removed.execute(&store.writer).await.map_err(database("removing a context"))?.rows_affected() {
        0 => Err(refused(store, id, epoch).await?),
        _ => Ok(()),
    }
}

pub(super) async fn unsettled(store: &SqliteStore) -> Result<Vec<ContextRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM contexts WHERE state <> 'available' OR writers > 0 ORDER BY id")
        .fetch_all(&store.readers)
        .await
        .map_err(database(READING))?;
    rows.iter().map(context_row).collect()
}

/// Why no row was changed.
async fn refused(store: &SqliteStore, id: &ContextId, epoch: i64) -> Result<StoreError, StoreError> {
    let what = format!("context {id}");
    let row = sqlx::query("SELECT 1 FROM contexts WHERE id = ?").bind(id.as_str()).fetch_optional(&store.writer).await;
    let exists = row.map_err(database(READING))?.is_some();
    Ok(if exists { StoreError::Fenced { what, ours: epoch } } else { StoreError::NotFound { what } })
}

fn taken(name: &str) -> StoreError {
    StoreError::Exists { what: format!("context {name:?}") }
}

fn push_filter<'q>(sql: &mut QueryBuilder<'q, Sqlite>, tenant: &'q TenantId) {
    sql.push(" WHERE tenant = ").push_bind(tenant.as_str()).push(" AND ").push(LISTED);
}

fn to_column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn from_column(count: i64) -> u64 {
    count.try_into().unwrap_or(0)
}

fn context_row(row: &SqliteRow) -> Result<ContextRow, StoreError> {
    let state: &str = get(row, READING, "state")?;
    Ok(ContextRow {
        id: parse(row, READING, "id")?,
        tenant: parse(row, READING, "tenant")?,
        name: row.try_get("name").map_err(database(READING))?,
        state: ContextState::parse(state).ok_or_else(|| text::damaged(READING, format!("unknown state {state:?}")))?,
        epoch: get(row, READING, "epoch")?,
        created_at: text::from_ns(READING, get(row, READING, "created_ns")?)?,
        used_at: text::from_ms(READING, get(row, READING, "used_ms")?)?,
        usage: Usage { files: from_column(get(row, READING, "files")?), bytes: from_column(get(row, READING, "bytes")?) },
        writers: get(row, READING, "writers")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listings_walk_their_index() {
        let store = SqliteStore::open_in_memory().await.unwrap();
        let tenant: TenantId = "tenant-a".parse().unwrap();
        let mut sql = QueryBuilder::new("EXPLAIN QUERY PLAN SELECT * FROM contexts");
        push_filter(&mut sql, &tenant);
        sql.push(" AND (created_ns, id) < (1, 'x') ORDER BY created_ns DESC, id DESC");
        let rows = sql.build().fetch_all(&store.readers).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan[0].contains("USING INDEX contexts_listed"), "{plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
    }
}
