//! Sessions and their labels.

use super::text::{self, get, parse};
use super::{SqliteStore, database};
use crate::{Page, PageQuery, SessionChange, SessionRow, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use types::{EndReason, Labels, NodeId, SessionId, SessionState, TenantId, Timestamp};

/// As the partial index has it, word for word: only then is the index used.
const LIVE: &str = "state NOT IN ('deleting', 'finished')";
const SELECT: &str = "SELECT *, (SELECT json_group_object(key, value) FROM labels WHERE session = sessions.id) AS labels FROM sessions";

pub(super) async fn add(store: &SqliteStore, row: &SessionRow) -> Result<(), StoreError> {
    const DOING: &str = "adding a session";
    let insert = sqlx::query(
        "INSERT INTO sessions (id, tenant, node, epoch, state, image, sandbox, limits, client, created_ns, active_ms, idle_ms, \
         expires_ms, ended_ms, end_reason, alias) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.as_str())
    .bind(row.tenant.as_str())
    .bind(row.node.as_str())
    .bind(row.epoch)
    .bind(row.state.as_str())
    .bind(row.image.as_str())
    .bind(row.sandbox.as_ref().map(|sandbox| sandbox.as_str()))
    .bind(json(DOING, &row.limits)?)
    .bind(json(DOING, &row.client)?)
    .bind(text::to_ns(row.created_at))
    .bind(text::to_ms(row.active_at))
    .bind(row.idle_timeout.map(text::duration_to_ms))
    .bind(row.expires_at.map(text::to_ms))
    .bind(row.ended_at.map(text::to_ms))
    .bind(row.end_reason.map(EndReason::as_str))
    .bind(row.alias.as_deref());
    let failed = |error: sqlx::Error| match error.as_database_error() {
        Some(d) if d.is_unique_violation() => StoreError::Exists { what: format!("session {}", row.id) },
        Some(d) if d.is_foreign_key_violation() => StoreError::NotFound { what: format!("tenant {}", row.tenant) },
        _ => database(DOING)(error),
    };
    if row.labels.is_empty() {
        insert.execute(&store.writer).await.map_err(failed)?;
        return Ok(());
    }
    let mut tx = store.begin_write(DOING).await?;
    insert.execute(&mut *tx).await.map_err(failed)?;
    add_labels(&mut tx, &row.id, &row.labels).await.map_err(database(DOING))?;
    tx.commit().await.map_err(database(DOING))
}

pub(super) async fn find(store: &SqliteStore, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
    let row = QueryBuilder::<Sqlite>::new(SELECT)
        .push(" WHERE id = ")
        .push_bind(id.as_str())
        .push(" AND tenant = ")
        .push_bind(tenant.as_str())
        .build()
        .fetch_optional(&store.readers)
        .await
        .map_err(database(READING))?;
    row.as_ref().map(session_row).transpose()
}

pub(super) async fn change(store: &SqliteStore, id: &SessionId, epoch: i64, change: &SessionChange) -> Result<(), StoreError> {
    const DOING: &str = "changing a session";
    let update = sqlx::query(
        "UPDATE sessions SET state = COALESCE(?, state), sandbox = COALESCE(?, sandbox), active_ms = COALESCE(?, active_ms), \
         ended_ms = COALESCE(?, ended_ms), end_reason = COALESCE(?, end_reason) WHERE id = ? AND epoch = ?",
    )
    .bind(change.state.map(SessionState::as_str))
    .bind(change.sandbox.as_ref().map(|sandbox| sandbox.as_str()))
    .bind(change.active_at.map(text::to_ms))
    .bind(change.ended_at.map(text::to_ms))
    .bind(change.end_reason.map(EndReason::as_str))
    .bind(id.as_str())
    .bind(epoch);
    let changed = match &change.labels {
        None => update.execute(&store.writer).await.map_err(database(DOING))?.rows_affected(),
        Some(labels) => {
            let mut tx = store.begin_write(DOING).await?;
            let changed = update.execute(&mut *tx).await.map_err(database(DOING))?.rows_affected();
            if changed > 0 {
                sqlx::query("DELETE FROM labels WHERE session = ?").bind(id.as_str()).execute(&mut *tx).await.map_err(database(DOING))?;
                add_labels(&mut tx, id, labels).await.map_err(database(DOING))?;
            }
            tx.commit().await.map_err(database(DOING))?;
            changed
        }
    };
    if changed > 0 {
        return Ok(());
    }
    let what = format!("session {id}");
    let exists = sqlx::query("SELECT 1 FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&store.writer)
        .await
        .map_err(database(DOING))?;
    Err(if exists.is_some() { StoreError::Fenced { what, ours: epoch } } else { StoreError::NotFound { what } })
}

pub(super) async fn page(store: &SqliteStore, tenant: &TenantId, query: &PageQuery) -> Result<Page, StoreError> {
    const DOING: &str = "listing sessions";
    // One snapshot for the count and the rows.
    let mut tx = store.readers.begin().await.map_err(database(DOING))?;

    let mut count = QueryBuilder::new("SELECT COUNT(*) FROM sessions");
    push_filter(&mut count, tenant, query);
    let total: i64 = count.build_query_scalar().fetch_one(&mut *tx).await.map_err(database(DOING))?;

    let mut select = QueryBuilder::new(SELECT);
    push_filter(&mut select, tenant, query);
    if let Some((created_at, id)) = &query.after {
        select.push(" AND (created_ns, id) < (").push_bind(text::to_ns(*created_at)).push(", ").push_bind(id.as_str()).push(")");
    }
    select.push(" ORDER BY created_ns DESC, id DESC LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows = select.build().fetch_all(&mut *tx).await.map_err(database(DOING))?;
    tx.commit().await.map_err(database(DOING))?;

    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    let rows = rows.iter().take(limit).map(session_row).collect::<Result<_, _>>()?;
    Ok(Page { rows, total: total.try_into().unwrap_or(0), more })
}

pub(super) async fn count_live(store: &SqliteStore, tenant: &TenantId) -> Result<u64, StoreError> {
    let mut count = QueryBuilder::new("SELECT COUNT(*) FROM sessions");
    let every_live = PageQuery::default();
    push_filter(&mut count, tenant, &every_live);
    let total: i64 = count.build_query_scalar().fetch_one(&store.readers).await.map_err(database("counting sessions"))?;
    Ok(total.try_into().unwrap_or(0))
}

pub(super) async fn adopt(store: &SqliteStore, node: &NodeId) -> Result<Vec<SessionRow>, StoreError> {
    const DOING: &str = "adopting sessions";
    let mut tx = store.begin_write(DOING).await?;
    sqlx::query("UPDATE sessions SET epoch = epoch + 1 WHERE node = ? AND state <> 'finished'")
        .bind(node.as_str())
        .execute(&mut *tx)
        .await
        .map_err(database(DOING))?;
    let rows = QueryBuilder::<Sqlite>::new(SELECT)
        .push(" WHERE state <> 'finished' AND node = ")
        .push_bind(node.as_str())
        .push(" ORDER BY created_ns, id")
        .build()
        .fetch_all(&mut *tx)
        .await
        .map_err(database(DOING))?;
    tx.commit().await.map_err(database(DOING))?;
    rows.iter().map(session_row).collect()
}

pub(super) async fn forget_finished(store: &SqliteStore, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE state = 'finished' AND ended_ms < ?")
        .bind(text::to_ms(before))
        .execute(&store.writer)
        .await
        .map_err(database("forgetting finished sessions"))?;
    Ok(done.rows_affected())
}

const READING: &str = "reading a session";

fn push_filter<'q>(sql: &mut QueryBuilder<'q, Sqlite>, tenant: &'q TenantId, query: &'q PageQuery) {
    sql.push(" WHERE tenant = ").push_bind(tenant.as_str());
    if query.states.iter().all(|state| state.is_live()) {
        sql.push(" AND ").push(LIVE);
    }
    if !query.states.is_empty() {
        sql.push(" AND state IN (");
        let mut words = sql.separated(", ");
        for state in &query.states {
            words.push_bind(state.as_str());
        }
        sql.push(")");
    }
    if let Some(image) = &query.image {
        sql.push(" AND image = ").push_bind(image.as_str());
    }
    for (key, value) in query.labels.iter() {
        sql.push(" AND EXISTS (SELECT 1 FROM labels WHERE session = sessions.id AND key = ").push_bind(key);
        sql.push(" AND value = ").push_bind(value).push(")");
    }
}

async fn add_labels(connection: &mut SqliteConnection, id: &SessionId, labels: &Labels) -> Result<(), sqlx::Error> {
    if labels.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO labels (session, key, value) ");
    insert.push_values(labels.iter(), |mut row, (key, value)| {
        row.push_bind(id.as_str()).push_bind(key).push_bind(value);
    });
    insert.build().execute(connection).await.map(drop)
}

fn session_row(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    let instant = |column| get::<Option<i64>>(row, READING, column)?.map(|ms| text::from_ms(READING, ms)).transpose();
    let state: &str = get(row, READING, "state")?;
    let end_reason: Option<&str> = get(row, READING, "end_reason")?;
    let sandbox: Option<&str> = get(row, READING, "sandbox")?;
    Ok(SessionRow {
        id: parse(row, READING, "id")?,
        tenant: parse(row, READING, "tenant")?,
        node: parse(row, READING, "node")?,
        epoch: get(row, READING, "epoch")?,
        state: SessionState::parse(state).ok_or_else(|| text::damaged(READING, format!("unknown state {state:?}")))?,
        image: parse(row, READING, "image")?,
        sandbox: sandbox.map(|id| id.parse().map_err(|e| text::damaged(READING, Box::new(e) as super::Cause))).transpose()?,
        limits: from_json(get(row, READING, "limits")?)?,
        labels: from_json(get(row, READING, "labels")?)?,
        client: from_json(get(row, READING, "client")?)?,
        alias: get(row, READING, "alias")?,
        created_at: text::from_ns(READING, get(row, READING, "created_ns")?)?,
        active_at: text::from_ms(READING, get(row, READING, "active_ms")?)?,
        idle_timeout: get::<Option<i64>>(row, READING, "idle_ms")?.map(text::duration_from_ms),
        expires_at: instant("expires_ms")?,
        ended_at: instant("ended_ms")?,
        end_reason: end_reason
            .map(|word| EndReason::parse(word).ok_or_else(|| text::damaged(READING, format!("unknown end reason {word:?}"))))
            .transpose()?,
    })
}

fn json(doing: &'static str, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| text::damaged(doing, e))
}

fn from_json<T: serde::de::DeserializeOwned>(column: &str) -> Result<T, StoreError> {
    serde_json::from_str(column).map_err(|e| text::damaged(READING, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row;

    #[tokio::test]
    async fn listings_and_counts_walk_the_index_of_live_sessions() {
        let store = SqliteStore::open_in_memory().await.unwrap();
        let tenant: TenantId = "tenant-a".parse().unwrap();
        let labels = Labels::new([("a".to_owned(), "b".to_owned())]).unwrap();
        for states in [vec![], vec![SessionState::Running]] {
            let query = PageQuery { labels: labels.clone(), states, ..Default::default() };
            let mut sql = QueryBuilder::new("EXPLAIN QUERY PLAN SELECT * FROM sessions");
            push_filter(&mut sql, &tenant, &query);
            sql.push(" AND (created_ns, id) < (1, 'x') ORDER BY created_ns DESC, id DESC");
            let rows = sql.build().fetch_all(&store.readers).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan[0].contains("USING INDEX sessions_live (tenant=? AND (created_ns,id)<"), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
