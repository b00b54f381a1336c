//! What both dialects ask about contexts, and what they say of them in the same words.

use super::call::Call;
use super::params::{Params, shown};
use super::refusal::{Refusal, Subject};
use crate::links::file::{self, FileUrl};
use control::{ContextPage, ContextView, Entry, FilesPage, FilesPart};
use sha2::{Digest, Sha256};
use types::{ContextId, ContextPath, Fault, Timestamp};

/// Contexts on a page when the client names no number.
const DEFAULT_PAGE: u64 = 10;
/// Files on a page when the client names no number.
const DEFAULT_FILES: u64 = 50;

/// A dialect's names for the parameters.
#[derive(Debug)]
pub(in crate::dialect) struct Names {
    /// The context that is looked for by id.
    pub(in crate::dialect) wanted: &'static str,
    /// The context that is changed.
    pub(in crate::dialect) id: &'static str,
    pub(in crate::dialect) name: &'static str,
    pub(in crate::dialect) allow_create: &'static str,
    pub(in crate::dialect) max_results: &'static str,
    pub(in crate::dialect) next_token: &'static str,
    /// The context that a file is in.
    pub(in crate::dialect) context: &'static str,
    pub(in crate::dialect) path: &'static str,
    pub(in crate::dialect) folder: &'static str,
    pub(in crate::dialect) page_number: &'static str,
    pub(in crate::dialect) page_size: &'static str,
}

/// Contexts as one request asks about them.
pub(in crate::dialect) struct Contexts<'a> {
    call: &'a Call<'a>,
    params: &'a Params,
    names: &'static Names,
    of_caller: control::Contexts<'a>,
}

impl<'a> Contexts<'a> {
    pub(in crate::dialect) fn new(call: &'a Call<'a>, names: &'static Names) -> Self {
        Self { call, params: call.params, names, of_caller: call.app.control.contexts(call.cx) }
    }

    /// One by id; or by name, and then made when that is asked for.
    pub(in crate::dialect) async fn get(&self) -> Result<ContextView, Refusal> {
        let Names { wanted, name, allow_create, .. } = *self.names;
        let create = self.params.flag(allow_create)?;
        if self.params.text(wanted).is_some() {
            return self.found(&self.id(wanted)?).await;
        }
        let name = self.params.required(name)?;
        self.ask(async {
            if create {
                return Ok(self.of_caller.get_or_create(name).await?.0);
            }
            let missing = || Fault::not_found(format!("this tenant has no context named {:?}; {allow_create} makes one", shown(name)));
            self.of_caller.called(name).await?.ok_or_else(missing)
        })
        .await
    }

    /// The one with this id.
    pub(in crate::dialect) async fn found(&self, id: &ContextId) -> Result<ContextView, Refusal> {
        self.ask(self.of_caller.get(id)).await
    }

    /// A page of them, and how long it may be.
    pub(in crate::dialect) async fn list(&self) -> Result<(ContextPage, u32), Refusal> {
        let limit = self.size(self.names.max_results, DEFAULT_PAGE)?;
        Ok((self.ask(self.of_caller.list(limit, self.params.text(self.names.next_token))).await?, limit))
    }

    pub(in crate::dialect) async fn rename(&self) -> Result<(), Refusal> {
        let (id, name) = (self.id(self.names.id)?, self.params.required(self.names.name)?);
        self.ask(self.of_caller.rename(&id, name)).await.map(drop)
    }

    pub(in crate::dialect) async fn delete(&self) -> Result<(), Refusal> {
        let id = self.id(self.names.id)?;
        self.ask(self.of_caller.delete(&id)).await
    }

    /// Begins to remove all files; SDKs then ask for the context until its state is `available`.
    pub(in crate::dialect) async fn clear(&self) -> Result<(), Refusal> {
        let id = self.id(self.names.id)?;
        self.ask(self.of_caller.clear(&id)).await
    }

    /// A page of what is in a folder, by number or by token, and how long it may be.
    pub(in crate::dialect) async fn files(&self) -> Result<(FilesPage, u32), Refusal> {
        let Names { max_results, next_token, page_number, page_size, .. } = *self.names;
        let id = self.id(self.names.context)?;
        let cursor = self.params.text(next_token);
        let (part, limit) = if cursor.is_some() || self.params.text(max_results).is_some() {
            let limit = self.size(max_results, DEFAULT_FILES)?;
            (FilesPart::After { cursor: cursor.map(str::to_owned), limit }, limit)
        } else {
            let size = self.size(page_size, DEFAULT_FILES)?;
            (FilesPart::Page { number: self.params.number(page_number)?.unwrap_or(1), size }, size)
        };
        let folder = self.params.text(self.names.folder).unwrap_or_default();
        Ok((self.ask(self.of_caller.files(&id, folder, part)).await?, limit))
    }

    /// The URL to write a file to.
    pub(in crate::dialect) async fn upload_url(&self) -> Result<FileUrl, Refusal> {
        let (id, path) = self.file()?;
        self.ask(file::upload_url(self.call.app, self.call.cx, &id, path)).await
    }

    /// The URL to read a file from.
    pub(in crate::dialect) async fn download_url(&self) -> Result<FileUrl, Refusal> {
        let (id, path) = self.file()?;
        self.ask(file::download_url(self.call.app, self.call.cx, &id, path)).await
    }

    pub(in crate::dialect) async fn delete_file(&self) -> Result<(), Refusal> {
        let (id, path) = self.file()?;
        let path = ContextPath::file(path).map_err(|error| Refusal::invalid(self.names.path, format!("is refused: {error}")))?;
        self.ask(self.of_caller.delete_file(&id, &path)).await
    }

    /// The context and the path of the file that the request names.
    fn file(&self) -> Result<(ContextId, &'a str), Refusal> {
        Ok((self.id(self.names.context)?, self.params.required(self.names.path)?))
    }

    /// An id; a text that no context can have names none.
    fn id(&self, name: &'static str) -> Result<ContextId, Refusal> {
        let text = self.params.required(name)?;
        text.parse().map_err(|_| {
            let fault = Fault::not_found(format!("context {:?} was not found: it does not exist or has been deleted", shown(text)));
            Refusal::from_fault(&fault, Subject::Other)
        })
    }

    /// What is too much for a page, the engine says.
    fn size(&self, name: &'static str, default: u64) -> Result<u32, Refusal> {
        let size = self.params.number(name)?.unwrap_or(default);
        u32::try_from(size).map_err(|_| Refusal::invalid(name, format!("is too large: {size}")))
    }

    async fn ask<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Refusal> {
        self.call.ask_soon(Subject::Other, work).await
    }
}

/// A file or folder in the words of both vendors.
#[derive(Debug)]
pub(in crate::dialect) struct Listed<'a> {
    pub(in crate::dialect) id: String,
    pub(in crate::dialect) name: &'a str,
    pub(in crate::dialect) path: &'a str,
    pub(in crate::dialect) kind: &'static str,
    /// Empty where it is not known.
    pub(in crate::dialect) modified: String,
    pub(in crate::dialect) size: u64,
    pub(in crate::dialect) status: &'static str,
}

impl<'a> Listed<'a> {
    pub(in crate::dialect) fn of(entry: &'a Entry) -> Self {
        let path = entry.path();
        let (kind, size, modified) = match entry {
            Entry::File(meta) => ("file", meta.size, seconds(meta.modified_at)),
            Entry::Folder(_) => ("folder", 0, String::new()),
        };
        let id = data_encoding::BASE32_DNSSEC.encode(&Sha256::digest(path.as_str())[..15]);
        Self { id, name: path.name(), path: path.as_str(), kind, modified, size, status: "available" }
    }
}

/// `2026-06-01T12:00:00Z`.
pub(in crate::dialect) fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
