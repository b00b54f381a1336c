//! The one door to contexts: every operation, for one caller.

use super::{ContextPage, ContextView, Entry, FileMeta, FileRead, FilesPage, FilesPart, settle, write};
use crate::cursor::Cursors;
use crate::engine::Engine;
use crate::{ByteRange, OpContext, fault, time};
use bytes::Bytes;
use futures::Stream;
use std::sync::Arc;
use std::time::Duration;
use store::objects::ContextRef;
use store::{ContextChange, ContextQuery, ContextRow, StoreError, Usage};
use types::{ContextId, ContextPath, ContextState, ErrorCode, Fault};

/// Most contexts or entries on one page.
const MAX_PAGE: u32 = 1000;
/// Longest name, bytes of UTF-8.
const MAX_NAME: usize = 256;
/// A last use that is written down may be this much older than the true one.
const USE_LAG: Duration = Duration::from_secs(60);

/// The contexts of one caller's tenant. A context of another tenant, an unknown one and a deleted one look the same.
#[derive(Debug)]
pub struct Contexts<'a> {
    engine: &'a Arc<Engine>,
    cursors: &'a Cursors,
    cx: &'a OpContext,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(engine: &'a Arc<Engine>, cursors: &'a Cursors, cx: &'a OpContext) -> Self {
        Self { engine, cursors, cx }
    }

    /// A context by its id.
    pub async fn get(&self, id: &ContextId) -> Result<ContextView, Fault> {
        Ok(self.open(id).await?.into())
    }

    /// A context by its name, if there is one.
    pub async fn called(&self, name: &str) -> Result<Option<ContextView>, Fault> {
        let found = self.engine.store.context_by_name(&self.cx.identity.tenant, name).await;
        Ok(found.map_err(|e| fault::store("looking for a context", e))?.map(Into::into))
    }

    /// The context of this name, made when there is none, and whether it was made. Callers that come at once get the same
    /// one.
    pub async fn get_or_create(&self, name: &str) -> Result<(ContextView, bool), Fault> {
        const OPERATION: &str = "creating a context";
        if let Some(view) = self.called(name).await? {
            return Ok((view, false));
        }
        self.engine.check_serving()?;
        check_name(name)?;
        let making = self.engine.contexts.making.lock().await;
        let tenant = &self.cx.identity.tenant;
        let counted = self.engine.store.page_contexts(tenant, &ContextQuery::default()).await;
        let (total, most) = (counted.map_err(|e| fault::store(OPERATION, e))?.total, self.engine.config.contexts.per_tenant);
        if total >= most {
            let text = format!("this tenant has {total} contexts, and {most} are allowed; delete contexts that are not needed");
            return Err(Fault::new(ErrorCode::ResourceExhausted, text));
        }
        let now = self.engine.clock.now();
        let row = ContextRow {
            id: ContextId::generate(&*self.engine.entropy),
            tenant: tenant.clone(),
            name: name.to_owned(),
            state: ContextState::Available,
            epoch: 1,
            created_at: now,
            used_at: now,
            usage: Usage::default(),
            writers: 0,
        };
        match self.engine.store.add_context(&row).await {
            Ok(()) => {
                tracing::info!(request = %self.cx.request, context = %row.id, "context created");
                Ok((row.into(), true))
            }
            // Somebody was faster.
            Err(StoreError::Exists { .. }) => {
                drop(making);
                let found = self.called(name).await?;
                found.map(|view| (view, false)).ok_or_else(|| Fault::new(ErrorCode::Unavailable, "the context is being deleted; try again"))
            }
            Err(error) => Err(fault::store(OPERATION, error)),
        }
    }

    /// A page of the tenant's contexts, newest first.
    pub async fn list(&self, limit: u32, cursor: Option<&str>) -> Result<ContextPage, Fault> {
        check_page("contexts", limit)?;
        let tenant = &self.cx.identity.tenant;
        let scope = [b"contexts".as_slice(), tenant.as_str().as_bytes()];
        let after = cursor.map(|cursor| self.cursors.open_row(cursor, &scope)).transpose()?;
        let page = self.engine.store.page_contexts(tenant, &ContextQuery { limit, after }).await;
        let page = page.map_err(|e| fault::store("listing contexts", e))?;
        let next_cursor = match page.rows.last() {
            Some(last) if page.more => Some(self.cursors.seal_row(last.created_at, last.id.as_str(), &scope)),
            _ => None,
        };
        Ok(ContextPage { contexts: page.rows.into_iter().map(Into::into).collect(), total: page.total, next_cursor })
    }

    /// Gives a context another name.
    pub async fn rename(&self, id: &ContextId, name: &str) -> Result<ContextView, Fault> {
        check_name(name)?;
        let gate = self.engine.contexts.gates.gate(id);
        // The state stays as it is read here.
        let _open = gate.read().await;
        let row = self.open(id).await?;
        let change = ContextChange { name: Some(name.to_owned()), ..ContextChange::default() };
        self.engine.store.change_context(id, row.epoch, &change).await.map(Into::into).map_err(|error| match error {
            StoreError::Exists { .. } => {
                Fault::new(ErrorCode::FailedPrecondition, format!("this tenant has another context named {name:?}; choose another name"))
            }
            error => self.lost(error),
        })
    }

    /// Removes a context and its files. It is gone at once; what it held is removed in the background.
    pub async fn delete(&self, id: &ContextId) -> Result<(), Fault> {
        self.empty(id, ContextState::Deleting).await?;
        tracing::info!(request = %self.cx.request, context = %id, "context deleted");
        Ok(())
    }

    /// Removes all files of a context, in the background; it is `Clearing` until that is done, and then `Available`.
    pub async fn clear(&self, id: &ContextId) -> Result<(), Fault> {
        self.empty(id, ContextState::Clearing).await?;
        tracing::info!(request = %self.cx.request, context = %id, "context is being cleared");
        Ok(())
    }

    /// What lies directly in a folder, by name.
    pub async fn files(&self, id: &ContextId, folder: &str, part: FilesPart) -> Result<FilesPage, Fault> {
        let folder = ContextPath::folder(folder).map_err(|error| Fault::invalid(error.to_string()))?;
        self.open(id).await?;
        let tenant = &self.cx.identity.tenant;
        let scope = [b"files".as_slice(), tenant.as_str().as_bytes(), id.as_str().as_bytes(), folder.as_str().as_bytes()];
        let (limit, cursor) = match &part {
            FilesPart::Page { size, .. } => (*size, None),
            FilesPart::After { limit, cursor } => (*limit, cursor.as_deref()),
        };
        check_page("entries", limit)?;
        let after = cursor.map(|cursor| self.cursors.open_place(cursor, &scope)).transpose()?;
        let listed = self.engine.objects.list(ContextRef { tenant, id }, &folder).await;
        let mut entries = listed.map_err(|e| fault::objects("listing files", e))?;
        let total = entries.len() as u64;
        let start = match &part {
            FilesPart::Page { number: 0, .. } => return Err(Fault::invalid("pages are numbered from 1 on; got page 0")),
            FilesPart::Page { number, size } => (number - 1).saturating_mul((*size).into()),
            FilesPart::After { .. } => match &after {
                Some(place) => entries.partition_point(|entry| entry.path().as_str().as_bytes() <= place.as_slice()) as u64,
                None => 0,
            },
        };
        entries.drain(..usize::try_from(start.min(total)).unwrap_or(usize::MAX));
        let more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let last = entries.last().filter(|_| more);
        let next_cursor = last.map(|entry: &Entry| self.cursors.seal_place(entry.path().as_str().as_bytes().to_vec(), &scope));
        Ok(FilesPage { entries, total, next_cursor })
    }

    /// What is known of a file.
    pub async fn file(&self, id: &ContextId, path: &ContextPath) -> Result<FileMeta, Fault> {
        self.open(id).await?;
        let at = ContextRef { tenant: &self.cx.identity.tenant, id };
        self.engine.objects.head(at, path).await.map_err(|e| fault::objects("looking for a file", e))
    }

    /// Reads a file, or some of it.
    pub async fn read(&self, id: &ContextId, path: &ContextPath, range: Option<ByteRange>) -> Result<FileRead, Fault> {
        let row = self.open(id).await?;
        let at = ContextRef { tenant: &self.cx.identity.tenant, id };
        let read = self.engine.objects.read(at, path, range).await.map_err(|e| fault::objects("reading a file", e))?;
        let now = self.engine.clock.now();
        if time::between(row.used_at, now) >= USE_LAG {
            let change = ContextChange { used_at: Some(now), ..ContextChange::default() };
            // Only for people to see; the next reader tries again.
            if let Err(error) = self.engine.store.change_context(id, row.epoch, &change).await {
                tracing::debug!(context = %id, %error, "the last use could not be written down");
            }
        }
        Ok(read)
    }

    /// Whether the context takes files now: what is to be known before a client is told to send one.
    pub async fn check_writable(&self, id: &ContextId) -> Result<(), Fault> {
        writable(&self.open(id).await?)
    }

    /// Writes a file from `bytes`, which are `length` many when that is known. It is there whole when this returns, and as it
    /// was before when this fails. Goes on when the future is dropped: then it is the end of `bytes` that says how it ends.
    pub async fn write<S>(&self, id: &ContextId, path: &ContextPath, length: Option<u64>, bytes: S) -> Result<FileMeta, Fault>
    where
        S: Stream<Item = Result<Bytes, Fault>> + Send + Unpin + 'static,
    {
        self.engine.check_serving()?;
        let row = self.open(id).await?;
        writable(&row)?;
        let writing = write::write(self.engine.clone(), self.cx.clone(), row, path.clone(), length, bytes);
        self.engine.requests.spawn(writing).await.unwrap_or_else(|e| Err(Fault::internal("writing a file", e)))
    }

    /// Removes a file.
    pub async fn delete_file(&self, id: &ContextId, path: &ContextPath) -> Result<(), Fault> {
        self.engine.check_serving()?;
        let row = self.open(id).await?;
        writable(&row)?;
        let deleting = write::delete(self.engine.clone(), row, path.clone());
        self.engine.requests.spawn(deleting).await.unwrap_or_else(|e| Err(Fault::internal("removing a file", e)))
    }

    async fn empty(&self, id: &ContextId, state: ContextState) -> Result<(), Fault> {
        self.engine.check_serving()?;
        let gate = self.engine.contexts.gates.gate(id);
        // Files on their way are put in their place before, or not at all.
        let closed = gate.write().await;
        let row = self.open(id).await?;
        if row.state == state {
            return Ok(());
        }
        let change = ContextChange { state: Some(state), ..ContextChange::default() };
        let row = self.engine.store.change_context(id, row.epoch, &change).await.map_err(|e| self.lost(e))?;
        drop(closed);
        tokio::spawn(settle::empty(self.engine.clone(), row));
        Ok(())
    }

    /// The row of a context that exists for this caller.
    async fn open(&self, id: &ContextId) -> Result<ContextRow, Fault> {
        let found = self.engine.store.context(&self.cx.identity.tenant, id).await;
        let row = found.map_err(|e| fault::store("looking for a context", e))?;
        row.filter(|row| row.state != ContextState::Deleting).ok_or_else(|| fault::no_context(id.as_str()))
    }

    /// A conditional write that was refused: the context changed under our hands.
    fn lost(&self, error: StoreError) -> Fault {
        match error {
            StoreError::Fenced { .. } => {
                Fault::new(ErrorCode::Unavailable, "the context was changed by another request just now; try again")
            }
            error => fault::store("changing a context", error),
        }
    }
}

pub(super) fn writable(row: &ContextRow) -> Result<(), Fault> {
    match row.state {
        ContextState::Available => Ok(()),
        ContextState::Clearing => {
            Err(Fault::new(ErrorCode::FailedPrecondition, format!("context {} is being cleared; try again when it is available", row.id)))
        }
        ContextState::Deleting => Err(fault::no_context(row.id.as_str())),
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if printable && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Fault::invalid(format!("a context's name has 1 to {MAX_NAME} bytes, not only blanks and no control characters")))
}

fn check_page(what: &str, limit: u32) -> Result<(), Fault> {
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(());
    }
    Err(Fault::invalid(format!("a page can hold 1 to {MAX_PAGE} {what}; got a limit of {limit}")))
}
