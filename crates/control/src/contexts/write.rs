//! Changing one file: first the row is told that something is under way, then the bytes come, then the file is put in its
//! place and the row counts it.

use super::FileMeta;
use super::room::Room;
use super::service::writable;
use crate::engine::Engine;
use crate::{OpContext, fault};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use store::objects::{ContextRef, ObjectWriter, ObjectsError};
use store::{ContextRow, StoreError, UsageDelta};
use types::{ContextPath, ErrorCode, Fault};

const WRITING: &str = "writing a file";
const REMOVING: &str = "removing a file";
/// How long a write waits for others to end.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(30);

/// Writes a file; the row is as the caller found it.
pub(super) async fn write<S>(
    engine: Arc<Engine>,
    cx: OpContext,
    row: ContextRow,
    path: ContextPath,
    length: Option<u64>,
    bytes: S,
) -> Result<FileMeta, Fault>
where
    S: Stream<Item = Result<Bytes, Fault>> + Send + Unpin,
{
    let place = tokio::time::timeout(WAIT_FOR_PLACE, engine.contexts.writes.acquire()).await;
    let Ok(Ok(_place)) = place else {
        return Err(Fault::new(ErrorCode::ResourceExhausted, "too many files are being written at once; try again in a moment"));
    };
    let mut room = make_room(&engine, &row, &path, length).await?;
    let mut writer = engine.objects.writer(at(&row), &path).map_err(|e| fault::objects(WRITING, e))?;
    begin(&engine, &row).await?;
    let limit = engine.config.contexts.file_bytes;
    let stored = match pump(&mut writer, &mut room, length, limit, bytes).await {
        Ok(()) => commit(&engine, &row, &path, writer).await,
        Err(fault) => Err(give_up(writer, fault).await),
    };
    match &stored {
        Ok(meta) => tracing::info!(request = %cx.request, context = %row.id, bytes = meta.size, "file written"),
        // Whatever was counted as under way is not any more, and nothing has changed.
        Err(_) => end(&engine, &row, UsageDelta::default()).await,
    }
    stored
}

/// Removes a file; the row is as the caller found it.
pub(super) async fn delete(engine: Arc<Engine>, row: ContextRow, path: ContextPath) -> Result<(), Fault> {
    begin(&engine, &row).await?;
    let gate = engine.contexts.gates.gate(&row.id);
    let _open = gate.read().await;
    let _file = engine.contexts.gates.file(&row.id, &path).await;
    let removed = async {
        still(&engine, &row).await?;
        let meta = engine.objects.head(at(&row), &path).await.map_err(|e| fault::objects(REMOVING, e))?;
        engine.objects.delete(at(&row), &path).await.map_err(|e| fault::objects(REMOVING, e))?;
        Ok(UsageDelta { files: -1, bytes: -signed(meta.size) })
    };
    let removed = removed.await;
    count(&engine, &row, removed.as_ref().copied().unwrap_or_default()).await;
    removed.map(drop)
}

/// Room for the file within the tenant's limits; what it takes the place of does not count twice.
async fn make_room(engine: &Engine, row: &ContextRow, path: &ContextPath, length: Option<u64>) -> Result<Room, Fault> {
    let limits = &engine.config.contexts;
    if let Some(length) = length.filter(|length| *length > limits.file_bytes) {
        return Err(too_large(length, limits.file_bytes));
    }
    let before = before(engine, row, path).await?;
    if before.is_none() && row.usage.files >= limits.files_per_context {
        let text = format!("context {} has {} files, and no more are allowed; delete files that are not needed", row.id, row.usage.files);
        return Err(Fault::new(ErrorCode::ResourceExhausted, text));
    }
    let used = engine.store.contexts_usage(&row.tenant).await.map_err(|e| fault::store(WRITING, e))?.bytes;
    let used = used.saturating_sub(before.unwrap_or(0));
    let mut room = engine.contexts.rooms.open(&row.tenant, used, limits.bytes_per_tenant);
    room.grow(length.unwrap_or(0))?;
    Ok(room)
}

async fn pump<S>(writer: &mut ObjectWriter, room: &mut Room, length: Option<u64>, limit: u64, mut bytes: S) -> Result<(), Fault>
where
    S: Stream<Item = Result<Bytes, Fault>> + Send + Unpin,
{
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        let size = writer.size() + piece.len() as u64;
        if length.is_some_and(|length| size > length) {
            return Err(Fault::invalid("more bytes came than were announced"));
        }
        if size > limit {
            return Err(too_large(size, limit));
        }
        room.grow(size)?;
        writer.write(piece).await.map_err(|e| fault::objects(WRITING, e))?;
    }
    match length {
        Some(length) if length != writer.size() => {
            Err(Fault::invalid(format!("{} bytes came of the {length} that were announced", writer.size())))
        }
        _ => Ok(()),
    }
}

/// Puts the file in its place, unless the context was cleared or deleted since it was begun.
async fn commit(engine: &Engine, row: &ContextRow, path: &ContextPath, writer: ObjectWriter) -> Result<FileMeta, Fault> {
    let gate = engine.contexts.gates.gate(&row.id);
    let _open = gate.read().await;
    let _file = engine.contexts.gates.file(&row.id, path).await;
    let before = match still(engine, row).await {
        Ok(()) => before(engine, row, path).await,
        Err(fault) => Err(fault),
    };
    let before = match before {
        Ok(before) => before,
        Err(fault) => return Err(give_up(writer, fault).await),
    };
    let meta = writer.finish().await.map_err(|e| fault::objects(WRITING, e))?;
    let delta = UsageDelta { files: before.is_none().into(), bytes: signed(meta.size) - signed(before.unwrap_or(0)) };
    count(engine, row, delta).await;
    Ok(meta)
}

/// How many bytes the file has now, if it is there.
async fn before(engine: &Engine, row: &ContextRow, path: &ContextPath) -> Result<Option<u64>, Fault> {
    match engine.objects.head(at(row), path).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(ObjectsError::NotFound(_)) => Ok(None),
        Err(error) => Err(fault::objects(WRITING, error)),
    }
}

/// Refuses when the context is not any more what it was when the change began.
async fn still(engine: &Engine, row: &ContextRow) -> Result<(), Fault> {
    let now = engine.store.context(&row.tenant, &row.id).await.map_err(|e| fault::store(WRITING, e))?;
    let now = now.ok_or_else(|| fault::no_context(row.id.as_str()))?;
    writable(&now)?;
    if now.epoch == row.epoch { Ok(()) } else { Err(overtaken(row)) }
}

async fn begin(engine: &Engine, row: &ContextRow) -> Result<(), Fault> {
    let gate = engine.contexts.gates.gate(&row.id);
    let _open = gate.read().await;
    engine.store.begin_context_write(&row.id, row.epoch).await.map_err(|error| match error {
        StoreError::Fenced { .. } => overtaken(row),
        StoreError::NotFound { .. } => fault::no_context(row.id.as_str()),
        error => fault::store(WRITING, error),
    })?;
    engine.contexts.gates.started(&row.id);
    Ok(())
}

async fn end(engine: &Engine, row: &ContextRow, delta: UsageDelta) {
    let gate = engine.contexts.gates.gate(&row.id);
    let _open = gate.read().await;
    count(engine, row, delta).await;
}

/// Tells the row what came of a change. The file is as it is whether this succeeds or not; the row then still says that
/// something is under way, and the next start counts anew.
async fn count(engine: &Engine, row: &ContextRow, delta: UsageDelta) {
    engine.contexts.gates.ended(&row.id);
    match engine.store.end_context_write(&row.id, row.epoch, delta, engine.clock.now()).await {
        // After a change of state there is nothing to count: it began anew, or has gone.
        Ok(()) | Err(StoreError::Fenced { .. } | StoreError::NotFound { .. }) => {}
        Err(error) => tracing::warn!(context = %row.id, %error, "a change of a file could not be counted; the next start counts anew"),
    }
}

async fn give_up(writer: ObjectWriter, fault: Fault) -> Fault {
    if let Err(error) = writer.abort().await {
        tracing::warn!(error = types::error_chain(&error), "what was stored of a broken upload could not be cleared away");
    }
    fault
}

fn at(row: &ContextRow) -> ContextRef<'_> {
    ContextRef { tenant: &row.tenant, id: &row.id }
}

fn overtaken(row: &ContextRow) -> Fault {
    let text = format!("context {} was cleared or deleted while the file was on its way; it was not written", row.id);
    Fault::new(ErrorCode::FailedPrecondition, text)
}

fn too_large(bytes: u64, limit: u64) -> Fault {
    Fault::invalid(format!("the file has {bytes} bytes or more; a file in a context may have {limit}"))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
