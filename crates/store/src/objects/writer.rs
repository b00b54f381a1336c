//! Writing one object.

use super::{FileMeta, ObjectsError, about, failed, file_meta, not_a_directory};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayloadMut, WriteMultipart};
use std::sync::Arc;
use types::ContextPath;

/// Up to this many bytes are put at once; larger files go in parts of this size, the smallest that S3 takes.
const PART: usize = 5 << 20;
/// Parts under way at once. With the one that is being filled, that bounds the memory of one upload.
const PARTS_AT_ONCE: usize = 2;

/// A file on its way. Nothing is seen of it until [`Self::finish`] has returned; dropped or aborted, nothing is left.
pub struct ObjectWriter {
    store: Arc<dyn ObjectStore>,
    key: Path,
    path: ContextPath,
    size: u64,
    state: State,
}

enum State {
    Small(PutPayloadMut),
    Parts(WriteMultipart),
}

impl std::fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectWriter").field("key", &self.key).field("size", &self.size).finish_non_exhaustive()
    }
}

impl ObjectWriter {
    pub(super) fn new(store: Arc<dyn ObjectStore>, key: Path, path: ContextPath) -> Self {
        Self { store, key, path, size: 0, state: State::Small(PutPayloadMut::new()) }
    }

    /// Bytes given so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes more of the file; waits while too much is under way.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectsError> {
        self.size += bytes.len() as u64;
        match &mut self.state {
            State::Small(buffer) => {
                buffer.extend_from_slice(&bytes);
                if buffer.content_length() > PART {
                    let upload = self.store.put_multipart(&self.key).await.map_err(|error| refused(&self.path, error))?;
                    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
                    for piece in std::mem::take(buffer).freeze() {
                        parts.put(piece);
                    }
                    self.state = State::Parts(parts);
                }
                Ok(())
            }
            State::Parts(parts) => {
                parts.wait_for_capacity(PARTS_AT_ONCE).await.map_err(|error| refused(&self.path, error))?;
                parts.put(bytes);
                Ok(())
            }
        }
    }

    /// Puts the file in its place and tells what is known of it then.
    pub async fn finish(self) -> Result<FileMeta, ObjectsError> {
        let stored = match self.state {
            State::Small(buffer) => self.store.put(&self.key, buffer.freeze()).await,
            State::Parts(parts) => parts.finish().await,
        };
        stored.map_err(|error| refused(&self.path, error))?;
        // What later readers are told, in the same words; and the proof that it is there.
        let meta = self.store.head(&self.key).await.map_err(|error| about(&self.path, "looking at a file just written", error))?;
        Ok(file_meta(self.path, &meta))
    }

    /// Gives it up and clears away what was stored of it.
    pub async fn abort(self) -> Result<(), ObjectsError> {
        match self.state {
            State::Small(_) => Ok(()),
            State::Parts(parts) => parts.abort().await.map_err(failed("giving up an upload")),
        }
    }
}

fn refused(path: &ContextPath, error: object_store::Error) -> ObjectsError {
    if not_a_directory(&error) { ObjectsError::Blocked(path.to_string()) } else { about(path, "writing a file", error) }
}
