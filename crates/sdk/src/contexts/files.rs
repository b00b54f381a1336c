//! The files of contexts: listed, written and read without a session.

use super::{Contexts, check};
use crate::error::ApiError;
use crate::transfer::{FileReader, FileWriter};
use crate::transport::{Answer, Call, read_body, transport_error};
use crate::{Error, Response, Result};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::AsyncReadExt;

/// What lies in a folder.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// for entry in &client.contexts().files("SdkCtx-04bdwfj7u22a1s30g", "/", 1, 100).await?.entries {
///     println!("{} {:?}", entry.path, entry.kind);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
#[non_exhaustive]
pub struct ContextEntry {
    /// Its name alone.
    #[serde(default, rename(deserialize = "FileName"))]
    pub name: String,
    /// Its absolute path in the context.
    #[serde(rename(deserialize = "FilePath"))]
    pub path: String,
    /// What it is.
    #[serde(default, rename(deserialize = "FileType"))]
    pub kind: EntryKind,
    /// Bytes; 0 for a folder.
    #[serde(default)]
    pub size: u64,
    /// When it was written, RFC 3339; empty for a folder.
    #[serde(default, rename(deserialize = "GmtModified"))]
    pub modified_at: String,
}

/// What an entry is.
///
/// ```no_run
/// # fn example(entry: roadstead_sdk::ContextEntry) {
/// let is_folder = entry.kind == roadstead_sdk::EntryKind::Folder;
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EntryKind {
    /// A file.
    #[default]
    File,
    /// A folder.
    Folder,
}

impl<'de> Deserialize<'de> for EntryKind {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?.to_ascii_lowercase();
        Ok(if matches!(word.as_str(), "folder" | "directory" | "dir") { Self::Folder } else { Self::File })
    }
}

/// One page of a folder's entries, by name.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// println!("{} entries", client.contexts().files("SdkCtx-04bdwfj7u22a1s30g", "/", 1, 50).await?.total_count);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextFilesPage {
    /// Files and folders.
    pub entries: Vec<ContextEntry>,
    /// How many there are in the folder.
    pub total_count: u64,
}

/// A URL under which one file is read or written without a key.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// println!("{}", client.contexts().download_url("SdkCtx-04bdwfj7u22a1s30g", "/a.txt").await?.url);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
#[non_exhaustive]
pub struct FileUrl {
    /// The URL.
    pub url: String,
    /// When it ends, Unix seconds.
    #[serde(default, rename(deserialize = "ExpireTime"))]
    pub expires_at: Option<i64>,
}

impl Contexts {
    /// A page of what lies directly in a folder; pages are numbered from 1.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let page = client.contexts().files("SdkCtx-04bdwfj7u22a1s30g", "/tmp", 1, 50).await?;
    /// # Ok(()) }
    /// ```
    pub async fn files(&self, id: &str, folder: &str, page: u32, size: u32) -> Result<Response<ContextFilesPage>> {
        check("id", id)?;
        let call = Call::new("DescribeContextFiles", format!("listing {folder} in context {id}"))
            .param("ContextId", id)
            .param("ParentFolderPath", folder)
            .param("PageNumber", page.to_string())
            .param("PageSize", size.to_string());
        let envelope = self.call(call).await?;
        let entries: Option<Vec<ContextEntry>> = envelope.data()?;
        let entries = entries.unwrap_or_default();
        let total_count = envelope.count.or(envelope.total_count).unwrap_or(entries.len() as u64);
        Ok(envelope.into_response(ContextFilesPage { entries, total_count }))
    }

    /// A URL that takes one `PUT` of this file, again and again until it ends.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let url = client.contexts().upload_url("SdkCtx-04bdwfj7u22a1s30g", "/a.txt").await?;
    /// # Ok(()) }
    /// ```
    pub async fn upload_url(&self, id: &str, path: &str) -> Result<Response<FileUrl>> {
        self.url("GetContextFileUploadUrl", id, path).await
    }

    /// A URL that answers `GET` with this file until it ends.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let url = client.contexts().download_url("SdkCtx-04bdwfj7u22a1s30g", "/a.txt").await?;
    /// # Ok(()) }
    /// ```
    pub async fn download_url(&self, id: &str, path: &str) -> Result<Response<FileUrl>> {
        self.url("GetContextFileDownloadUrl", id, path).await
    }

    /// Removes a file.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().delete_file("SdkCtx-04bdwfj7u22a1s30g", "/a.txt").await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete_file(&self, id: &str, path: &str) -> Result<Response<()>> {
        check("id", id)?;
        let call = Call::new("DeleteContextFile", format!("removing {path} from context {id}"));
        self.act(call.param("ContextId", id).param("FilePath", path)).await
    }

    /// Writes a file as a whole.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().put("SdkCtx-04bdwfj7u22a1s30g", "/a.txt", "content").await?;
    /// # Ok(()) }
    /// ```
    pub async fn put(&self, id: &str, path: &str, content: impl Into<Bytes>) -> Result<Response<()>> {
        let url = self.upload_url(id, path).await?;
        let operation = format!("writing {path} to context {id}");
        let answer = self.send(operation.clone(), reqwest::Body::from(content.into()), url.url.clone()).await?;
        done(&operation, answer)?;
        Ok(url.map(drop))
    }

    /// Reads a whole file into memory.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let bytes = client.contexts().read("SdkCtx-04bdwfj7u22a1s30g", "/a.txt").await?;
    /// # Ok(()) }
    /// ```
    pub async fn read(&self, id: &str, path: &str) -> Result<Vec<u8>> {
        let mut reader = self.open_read(id, path).await?;
        let mut bytes = Vec::new();
        let operation = || format!("reading {path} from context {id}");
        let broken = |error: io::Error| Error::Transport { operation: operation(), reason: error.to_string(), source: Box::new(error) };
        reader.read_to_end(&mut bytes).await.map_err(broken)?;
        Ok(bytes)
    }

    /// Opens a file for reading.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut reader = client.contexts().open_read("SdkCtx-04bdwfj7u22a1s30g", "/big").await?;
    /// tokio::io::copy(&mut reader, &mut tokio::io::sink()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn open_read(&self, id: &str, path: &str) -> Result<FileReader> {
        let url = self.download_url(id, path).await?;
        let operation = format!("reading {path} from context {id}");
        let transport = &self.client.transport;
        let limit = transport.timeout();
        // Only the beginning has a time limit: how long a file takes is its reader's affair.
        let late = |_| Error::Timeout { operation: operation.clone(), after: limit, request_id: None };
        let sent = transport.client(None)?.get(&url.url).send();
        let response = tokio::time::timeout(limit, sent).await.map_err(late)?;
        let response = response.map_err(|error| transport_error(&operation, limit, error))?;
        if !response.status().is_success() {
            return Err(refusal(&operation, &read_body(response, &operation, limit).await?));
        }
        let length = response.content_length();
        let body = response.bytes_stream().map_err(move |error| io::Error::other(transport_error(&operation, limit, error)));
        Ok(FileReader::new(body, length, None))
    }

    /// Opens a file for writing. Nothing changes until [`FileWriter::finish`] says so; a writer that is dropped leaves the
    /// file as it was. Some services want to know the `length` beforehand.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::io::AsyncWriteExt;
    /// let mut writer = client.contexts().open_write("SdkCtx-04bdwfj7u22a1s30g", "/big", Some(7)).await?;
    /// writer.write_all(b"content").await?;
    /// println!("{} bytes", writer.finish().await?);
    /// # Ok(()) }
    /// ```
    pub async fn open_write(&self, id: &str, path: &str, length: Option<u64>) -> Result<FileWriter> {
        let url = self.upload_url(id, path).await?.into_value().url;
        let operation = format!("writing {path} to context {id}");
        let (sender, pieces) = FileWriter::pieces();
        let (contexts, counted) = (self.clone(), std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0)));
        let bytes = counted.clone();
        let body = crate::native::body(pieces).inspect_ok(move |piece| {
            bytes.fetch_add(piece.len() as u64, std::sync::atomic::Ordering::Relaxed);
        });
        let task = tokio::spawn(async move {
            let answer = contexts.send_sized(operation.clone(), body, length, url).await?;
            done(&operation, answer)?;
            Ok(counted.load(std::sync::atomic::Ordering::Relaxed))
        });
        Ok(FileWriter::new(sender, task))
    }

    async fn url(&self, action: &'static str, id: &str, path: &str) -> Result<Response<FileUrl>> {
        check("id", id)?;
        let call = Call::new(action, format!("getting a URL of {path} in context {id}")).param("ContextId", id).param("FilePath", path);
        let envelope = self.call(call).await?;
        let url = envelope.data()?;
        Ok(envelope.into_response(url))
    }

    async fn send_sized(
        &self,
        operation: String,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        length: Option<u64>,
        url: String,
    ) -> Result<Answer> {
        let request = self.client.transport.client(None)?.put(url).body(reqwest::Body::wrap_stream(body));
        let request = match length {
            Some(length) => request.header("content-length", length),
            None => request,
        };
        self.upload(operation, request).await
    }

    async fn send(&self, operation: String, body: reqwest::Body, url: String) -> Result<Answer> {
        let request = self.client.transport.client(None)?.put(url).body(body);
        self.upload(operation, request).await
    }

    async fn upload(&self, operation: String, request: reqwest::RequestBuilder) -> Result<Answer> {
        let limit = self.client.transport.timeout();
        let response = request.send().await.map_err(|error| transport_error(&operation, limit, error))?;
        let late = |_| Error::Timeout { operation: operation.clone(), after: limit, request_id: None };
        tokio::time::timeout(limit, read_body(response, &operation, limit)).await.map_err(late)?
    }
}

fn done(operation: &str, answer: Answer) -> Result<()> {
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(refusal(operation, &answer)) }
}

/// A presigned URL answers in no fixed form: its words are shown as they are.
fn refusal(operation: &str, answer: &Answer) -> Error {
    let text: String = String::from_utf8_lossy(&answer.body).trim().chars().take(300).collect();
    let message = if text.is_empty() { format!("the file's URL answered {}", answer.status) } else { text };
    let operation = operation.to_owned();
    Error::from_api(ApiError { operation, code: String::new(), message, status: answer.status, request_id: None })
}
