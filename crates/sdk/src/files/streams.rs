//! Files as readers and writers: over the server's own streams where there are some, else in pieces by tool calls.

use super::{FileSystem, PathKind, quote};
use crate::native::{ReadFile, WriteFile, is_foreign};
use crate::transfer::{FileReader, FileWriter};
use crate::transport::nonce;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use std::io;
use tokio::sync::mpsc;

/// Bytes of one read by a tool call.
const READ_PIECE: u64 = 51_200;
/// Reads under way at once.
const PARALLEL_READS: usize = 4;
/// Bytes of one write by a command, in which they stand as base64.
const WRITE_PIECE: usize = 36_000;

impl FileSystem {
    /// Opens a file of any size for reading.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut reader = session.files().open_read("/tmp/dump.sql").await?;
    /// let mut file = tokio::fs::File::create("dump.sql").await?;
    /// tokio::io::copy(&mut reader, &mut file).await?;
    /// # Ok(()) }
    /// ```
    pub async fn open_read(&self, path: &str) -> Result<FileReader> {
        let client = &self.session.inner.client;
        if client.transport.may_be_roadstead() {
            match client.native().read_file(self.session.id(), path, ReadFile::new()).await {
                Err(error) if is_foreign(&error) => client.transport.is_not_roadstead(),
                opened => return opened,
            }
        }
        self.read_by_tools(path).await
    }

    /// Opens a file for writing, in place of what is there. Nothing changes until [`FileWriter::finish`] (or a shutdown)
    /// succeeds; a writer that is dropped leaves the file as it was. Missing parent directories are made.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut writer = session.files().open_write("/tmp/dump.sql").await?;
    /// let mut file = tokio::fs::File::open("dump.sql").await?;
    /// tokio::io::copy(&mut file, &mut writer).await?;
    /// writer.finish().await?;
    /// # Ok(()) }
    /// ```
    pub async fn open_write(&self, path: &str) -> Result<FileWriter> {
        let client = &self.session.inner.client;
        // A body can be sent once only, so whom it goes to must be known before.
        if client.transport.may_be_roadstead() && !client.transport.is_roadstead() {
            match client.native().session(self.session.id()).await {
                Err(error) if is_foreign(&error) => client.transport.is_not_roadstead(),
                Err(error) => return Err(error),
                Ok(_) => client.transport.found_roadstead(),
            }
        }
        if client.transport.may_be_roadstead() {
            return client.native().write_file(self.session.id(), path, WriteFile::new());
        }
        Ok(self.write_by_tools(path))
    }

    async fn read_by_tools(&self, path: &str) -> Result<FileReader> {
        let info = self.info(path).await?;
        if info.kind == PathKind::Directory {
            return Err(Error::tool("read_file", format!("{path} is a directory: list it instead"), info.request_id));
        }
        if info.size == 0 {
            let whole = self.read_bytes(path).await?.into_value();
            let length = whole.len() as u64;
            return Ok(FileReader::new(futures::stream::iter([Ok(Bytes::from(whole))]), Some(length), None));
        }
        let (files, path, size) = (self.clone(), path.to_owned(), info.size);
        let pieces = futures::stream::iter((0..size.div_ceil(READ_PIECE)).map(|n| n * READ_PIECE))
            .map(move |start| {
                let (files, path) = (files.clone(), path.clone());
                async move {
                    let wanted = READ_PIECE.min(size - start);
                    let piece = files.read_range(&path, start, wanted).await?.into_value();
                    if (piece.len() as u64) < wanted {
                        return Err(Error::lost(&format!("reading {path}"), "the file became shorter while it was read"));
                    }
                    Ok(Bytes::from(piece))
                }
            })
            .buffered(PARALLEL_READS)
            .map_err(io::Error::other);
        Ok(FileReader::new(pieces, Some(size), None))
    }

    /// The content grows beside the file and takes its place at the end.
    fn write_by_tools(&self, path: &str) -> FileWriter {
        let (sender, pieces) = FileWriter::pieces();
        let (files, path) = (self.clone(), path.to_owned());
        let task = tokio::spawn(async move {
            let beside = format!("{path}.{}.part", &nonce()[..8]);
            let written = files.fill(&beside, pieces).await;
            let placed = match written {
                Ok(Some(bytes)) => {
                    let (from, to) = (quote(&beside), quote(&path));
                    let place = format!("if [ -e {to} ]; then chmod --reference={to} {from}; fi; mv -fT {from} {to}");
                    files.by_command(&path, place).await.map(|()| bytes)
                }
                Ok(None) => Err(Error::lost(&format!("writing {path}"), "the writer was dropped")),
                Err(error) => Err(error),
            };
            if placed.is_err() {
                // What could not be put in place is of no use; the first failure is the one to tell.
                let _ = files.by_command(&path, format!("rm -f {}", quote(&beside))).await;
            }
            placed
        });
        FileWriter::new(sender, task)
    }

    /// Writes the pieces to `path`; how many bytes, or `None` when the writer was dropped.
    async fn fill(&self, path: &str, mut pieces: mpsc::Receiver<Option<Bytes>>) -> Result<Option<u64>> {
        // Makes the parents too, and says in the tool's words what is wrong with the path.
        self.write(path, "").await?;
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        loop {
            let last = match pieces.recv().await {
                Some(Some(piece)) => {
                    bytes += piece.len() as u64;
                    waiting.extend_from_slice(&piece);
                    false
                }
                Some(None) => true,
                None => return Ok(None),
            };
            while waiting.len() >= WRITE_PIECE || (last && !waiting.is_empty()) {
                let rest = waiting.split_off(waiting.len().min(WRITE_PIECE));
                let piece = std::mem::replace(&mut waiting, rest);
                self.by_command(path, format!("printf %s {} | base64 -d >> {}", STANDARD.encode(piece), quote(path))).await?;
            }
            if last {
                return Ok(Some(bytes));
            }
        }
    }

    async fn by_command(&self, path: &str, script: String) -> Result<()> {
        let output = self.session.command().run(script).await?;
        if output.success() {
            return Ok(());
        }
        Err(Error::tool("shell", format!("writing {path}: {}", output.stderr.trim_end()), &output.request_id))
    }
}
