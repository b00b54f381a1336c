//! The files of contexts: one object each, in a local directory or an S3 bucket.
//!
//! | key | what |
//! |---|---|
//! | `TENANT/CONTEXT/files/PATH` | a file; `PATH` is its path in the context, escaped by [`key`] where no key can hold it |
//! | `TENANT/CONTEXT/manifest` | reserved: what a plain object cannot say of a file |
//!
//! An object is there whole or not at all: it is written beside its place, or in parts, and put there at the end. On a
//! local disk the bytes and their directory are synced before that is reported.

mod key;
mod location;
mod writer;

pub use location::ObjectsLocation;
pub use writer::ObjectWriter;

use crate::Usage;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use key::ContextKeys;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use types::{ContextId, ContextPath, TenantId, Timestamp};

/// Bytes read from a local file at once.
const READ_CHUNK: usize = 256 << 10;

/// A context's place among the objects.
#[derive(Debug, Clone, Copy)]
pub struct ContextRef<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Which.
    pub id: &'a ContextId,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// Where it lies.
    pub path: ContextPath,
    /// Bytes.
    pub size: u64,
    /// When it was put there.
    pub modified_at: Timestamp,
    /// Changes when the file does; without quotes.
    pub etag: String,
}

/// What lies directly in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(FileMeta),
    /// A folder with something in it, now or a moment ago.
    Folder(ContextPath),
}

impl Entry {
    /// Where it lies.
    pub fn path(&self) -> &ContextPath {
        match self {
            Self::File(meta) => &meta.path,
            Self::Folder(path) => path,
        }
    }
}

/// Which bytes of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last one given, both counted in; a last one behind the end is the end.
    FromTo(u64, u64),
    /// From here to the end.
    From(u64),
    /// So many at the end.
    Last(u64),
}

/// A file that is being read.
pub struct FileRead {
    /// The whole file.
    pub meta: FileMeta,
    /// The bytes that come, `start..end`.
    pub range: std::ops::Range<u64>,
    /// Them. One that breaks off ends in an error.
    pub bytes: BoxStream<'static, Result<Bytes, ObjectsError>>,
}

impl std::fmt::Debug for FileRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileRead").field("meta", &self.meta).field("range", &self.range).finish_non_exhaustive()
    }
}

/// How the objects can fail.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// There is no such file.
    #[error("file {0} does not exist")]
    NotFound(String),
    /// The range lies behind the end of the file.
    #[error("the range lies outside the file")]
    Range,
    /// No key can hold the name.
    #[error("the name {0:?} is too long for the object store")]
    Name(String),
    /// A file cannot lie below another file, nor be where a folder is.
    #[error("{0} cannot be a file: a folder has that name, or a file has the name of one of its folders")]
    Blocked(String),
    /// The place of the objects cannot be used.
    #[error("the object store {location:?} cannot be used: {reason}")]
    Location {
        /// As configured, without credentials.
        location: String,
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error("the object store failed while {doing}")]
    Store {
        /// What was going on.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The objects of all contexts.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Where they lie when that is a directory here.
    directory: Option<PathBuf>,
    name: String,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Objects").field(&self.name).finish()
    }
}

impl Objects {
    /// Objects in `store`, for tests with one that fails.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: Path::default(), directory: None, name: "given".into() }
    }

    /// Whether the store can be reached and listed.
    pub async fn check(&self) -> Result<(), ObjectsError> {
        match self.store.list(Some(&self.prefix)).next().await {
            Some(Err(error)) => Err(failed("being looked at")(error)),
            _ => Ok(()),
        }
    }

    /// What is known of a file.
    pub async fn head(&self, context: ContextRef<'_>, path: &ContextPath) -> Result<FileMeta, ObjectsError> {
        let key = self.keys(context).file(path)?;
        let meta = self.store.head(&key).await.map_err(|error| about(path, "looking for a file", error))?;
        // A directory has a size too.
        if self.is_directory(&key).await { Err(ObjectsError::NotFound(path.to_string())) } else { Ok(file_meta(path.clone(), &meta)) }
    }

    /// Reads a file, or some of it.
    pub async fn read(&self, context: ContextRef<'_>, path: &ContextPath, range: Option<ByteRange>) -> Result<FileRead, ObjectsError> {
        const DOING: &str = "reading a file";
        let key = self.keys(context).file(path)?;
        if self.is_directory(&key).await {
            return Err(ObjectsError::NotFound(path.to_string()));
        }
        let wanted = match range {
            None => None,
            Some(ByteRange::FromTo(from, to)) => Some(GetRange::Bounded(from..to.saturating_add(1))),
            Some(ByteRange::From(from)) => Some(GetRange::Offset(from)),
            // Some servers refuse a count that is larger than the file.
            Some(ByteRange::Last(count)) => {
                let size = self.head(context, path).await?.size;
                if count == 0 || size == 0 {
                    return Err(ObjectsError::Range);
                }
                Some(GetRange::Offset(size.saturating_sub(count)))
            }
        };
        let options = GetOptions { range: wanted, ..GetOptions::default() };
        let result = match self.store.get_opts(&key, options).await {
            Ok(result) => result,
            Err(error @ object_store::Error::NotFound { .. }) => return Err(about(path, DOING, error)),
            // Whatever is wrong with a range, it is one that the file does not have, if there is a file.
            Err(error) => match (range, self.head(context, path).await) {
                (Some(range), Ok(meta)) if !fits(range, meta.size) => return Err(ObjectsError::Range),
                _ => return Err(about(path, DOING, error)),
            },
        };
        let (meta, given) = (file_meta(path.clone(), &result.meta), result.range.clone());
        if range.is_some_and(|range| !fits(range, meta.size)) {
            return Err(ObjectsError::Range);
        }
        let range = given;
        let bytes = match result.payload {
            GetResultPayload::File(mut file, _) => {
                let length = range.end - range.start;
                file.seek(SeekFrom::Start(range.start)).map_err(failed(DOING))?;
                let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(length), READ_CHUNK);
                pieces.map_err(failed(DOING)).boxed()
            }
            GetResultPayload::Stream(pieces) => pieces.map_err(failed(DOING)).boxed(),
        };
        Ok(FileRead { meta, range, bytes })
    }

    /// Begins a file, which is there when the writer is finished and not before.
    pub fn writer(&self, context: ContextRef<'_>, path: &ContextPath) -> Result<ObjectWriter, ObjectsError> {
        Ok(ObjectWriter::new(self.store.clone(), self.keys(context).file(path)?, path.clone()))
    }

    /// Removes a file.
    pub async fn delete(&self, context: ContextRef<'_>, path: &ContextPath) -> Result<(), ObjectsError> {
        let key = self.keys(context).file(path)?;
        self.store.delete(&key).await.map_err(|error| about(path, "removing a file", error))
    }

    /// What lies directly in a folder, by name; nothing when there is no such folder.
    pub async fn list(&self, context: ContextRef<'_>, folder: &ContextPath) -> Result<Vec<Entry>, ObjectsError> {
        let keys = self.keys(context);
        let prefix = keys.folder(folder)?;
        let found = match self.store.list_with_delimiter(Some(&prefix)).await {
            Ok(found) => found,
            // Where a file is, nothing lies.
            Err(_) if self.store.head(&prefix).await.is_ok() && !self.is_directory(&prefix).await => return Ok(Vec::new()),
            Err(error) => return Err(failed("listing a folder")(error)),
        };
        // Keys that nobody of ours wrote and that stand for no path are left alone.
        let files = found.objects.iter().filter_map(|meta| Some(Entry::File(file_meta(keys.path(&meta.location)?, meta))));
        let folders = found.common_prefixes.iter().filter_map(|prefix| Some(Entry::Folder(keys.path(prefix)?)));
        let mut entries: Vec<Entry> = files.chain(folders).collect();
        entries.sort_unstable_by(|a, b| a.path().cmp(b.path()));
        Ok(entries)
    }

    /// Counts a context's files.
    pub async fn count(&self, context: ContextRef<'_>) -> Result<Usage, ObjectsError> {
        let keys = self.keys(context);
        let prefix = keys.folder(&ContextPath::root())?;
        let add = async |sum: Usage, meta: ObjectMeta| Ok(Usage { files: sum.files + 1, bytes: sum.bytes + meta.size });
        self.store.list(Some(&prefix)).try_fold(Usage::default(), add).await.map_err(failed("counting files"))
    }

    /// Removes everything of a context that nobody writes to.
    pub async fn purge(&self, context: ContextRef<'_>) -> Result<(), ObjectsError> {
        const DOING: &str = "removing a context's files";
        let prefix = self.keys(context).all();
        if let Some(directory) = self.place(&prefix) {
            // What uploads left that a crash cut off is no object, and goes too.
            return match tokio::fs::remove_dir_all(&directory).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(DOING)(error)),
                _ => Ok(()),
            };
        }
        let listed = self.store.list(Some(&prefix)).map_ok(|meta| meta.location).boxed();
        let gone = |result| match result {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map(drop),
        };
        self.store.delete_stream(listed).map(gone).try_collect::<()>().await.map_err(failed(DOING))
    }

    /// Removes what uploads left that a crash cut off, from a context that nobody writes to.
    pub async fn sweep(&self, context: ContextRef<'_>) -> Result<(), ObjectsError> {
        let Some(directory) = self.place(&self.keys(context).all()) else { return Ok(()) };
        let swept = tokio::task::spawn_blocking(move || sweep_directory(&directory)).await;
        swept.map_err(failed("sweeping"))?.map_err(failed("sweeping"))
    }

    fn keys(&self, context: ContextRef<'_>) -> ContextKeys {
        ContextKeys::new(&self.prefix, context)
    }

    fn place(&self, key: &Path) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(key.as_ref()))
    }

    async fn is_directory(&self, key: &Path) -> bool {
        match self.place(key) {
            Some(place) => tokio::fs::metadata(place).await.is_ok_and(|found| found.is_dir()),
            None => false,
        }
    }
}

/// The names under which the local back end writes end in `#` and a number, as no key of ours does.
fn sweep_directory(directory: &std::path::Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep_directory(&entry.path())?;
        } else if entry.file_name().to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(_, n)| n.parse::<u64>().is_ok()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn fits(range: ByteRange, size: u64) -> bool {
    match range {
        ByteRange::FromTo(from, to) => from <= to && from < size,
        ByteRange::From(from) => from < size,
        ByteRange::Last(count) => count > 0 && size > 0,
    }
}

fn file_meta(path: ContextPath, meta: &ObjectMeta) -> FileMeta {
    let (seconds, nanos) = (meta.last_modified.timestamp(), meta.last_modified.timestamp_subsec_nanos());
    let modified_at = Timestamp::new(seconds, nanos.try_into().unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH);
    let etag = bare(meta.e_tag.as_deref()).unwrap_or_else(|| format!("{seconds:x}{nanos:08x}-{:x}", meta.size));
    FileMeta { path, size: meta.size, modified_at, etag }
}

/// An entity tag without its quotes. Not every server gives one with every answer.
fn bare(etag: Option<&str>) -> Option<String> {
    etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned()).filter(|etag| !etag.is_empty())
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl Fn(E) -> ObjectsError {
    move |source| ObjectsError::Store { doing, source: source.into() }
}

fn about(path: &ContextPath, doing: &'static str, error: object_store::Error) -> ObjectsError {
    match error {
        object_store::Error::NotFound { .. } => ObjectsError::NotFound(path.to_string()),
        error if not_a_directory(&error) => ObjectsError::NotFound(path.to_string()),
        error => failed(doing)(error),
    }
}

/// Whether a file stands where a folder would have to be, or the other way round.
fn not_a_directory(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return matches!(io.kind(), std::io::ErrorKind::NotADirectory | std::io::ErrorKind::IsADirectory);
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests;
