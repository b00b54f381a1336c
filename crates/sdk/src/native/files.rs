//! Files of any length, in and out.

use super::{Native, User, refusal};
use crate::transfer::{FileReader, FileWriter};
use crate::transport::{Answer, read_body, transport_error};
use crate::{Error, Result};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use reqwest::Method;
use serde::Deserialize;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// What of a file is to be read, and as whom.
///
/// ```no_run
/// use roadstead_sdk::native::{ReadFile, User};
/// let how = ReadFile::new().from(3).at_most(7).user(User::Root);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "options do nothing until a file is read with them"]
pub struct ReadFile {
    offset: u64,
    length: Option<u64>,
    user: User,
}

impl ReadFile {
    /// All of it, as the session's user.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::ReadFile::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// From this byte on.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::ReadFile::new().from(4096);
    /// ```
    pub fn from(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// At most so many bytes.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::ReadFile::new().at_most(4096);
    /// ```
    pub fn at_most(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// As this user.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::ReadFile::new().user(roadstead_sdk::native::User::Root);
    /// ```
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }
}

/// How a file is to be written.
///
/// ```no_run
/// let how = roadstead_sdk::native::WriteFile::new().append(true).permissions(0o600);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "options do nothing until a file is written with them"]
pub struct WriteFile {
    append: bool,
    permissions: Option<u32>,
    user: User,
}

impl WriteFile {
    /// In place of what is there; a new file gets the permissions 0644.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::WriteFile::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// At the end of what is there.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::WriteFile::new().append(true);
    /// ```
    pub fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Permission bits of a file that is made.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::WriteFile::new().permissions(0o755);
    /// ```
    pub fn permissions(mut self, mode: u32) -> Self {
        self.permissions = Some(mode);
        self
    }

    /// As this user, whose the file and what directories are made then are.
    ///
    /// ```no_run
    /// let how = roadstead_sdk::native::WriteFile::new().user(roadstead_sdk::native::User::Root);
    /// ```
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }
}

impl Native {
    /// Opens a file for reading.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> Result<(), Box<dyn std::error::Error>> {
    /// use roadstead_sdk::native::ReadFile;
    /// let mut reader = client.native().read_file("session-04bdwfj7u22a1s30g", "/tmp/big", ReadFile::new()).await?;
    /// println!("{:?} bytes", reader.len());
    /// tokio::io::copy(&mut reader, &mut tokio::io::sink()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn read_file(&self, session: &str, path: &str, how: ReadFile) -> Result<FileReader> {
        let operation = format!("reading {path} in session {session}");
        let transport = &self.client.transport;
        let mut query = vec![("path", path.to_owned())];
        query.extend((how.offset > 0).then(|| ("offset", how.offset.to_string())));
        query.extend(how.length.map(|length| ("length", length.to_string())));
        query.extend(how.user.named().map(|user| ("user", user.to_owned())));
        let request = transport.native(Method::GET, &["sessions", session, "files"])?.query(&query);
        // Only the beginning has a time limit: how long a file takes is its reader's affair.
        let limit = transport.timeout();
        let response = in_time(&operation, limit, request.send()).await?;
        if !response.status().is_success() {
            return Err(refusal(&operation, &read_body(response, &operation, limit).await?));
        }
        let mode = response.headers().get("x-roadstead-mode").and_then(|value| u32::from_str_radix(value.to_str().ok()?, 8).ok());
        let length = response.content_length();
        let body = response.bytes_stream().map_err(move |error| io::Error::other(transport_error(&operation, limit, error)));
        Ok(FileReader::new(body, length, mode))
    }

    /// Opens a file for writing. Nothing changes until [`FileWriter::finish`] says so; a writer that is dropped leaves
    /// the file as it was. Missing parent directories are made.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> Result<(), Box<dyn std::error::Error>> {
    /// use roadstead_sdk::native::WriteFile;
    /// use tokio::io::AsyncWriteExt;
    /// let mut writer = client.native().write_file("session-04bdwfj7u22a1s30g", "/tmp/new", WriteFile::new())?;
    /// writer.write_all(b"content").await?;
    /// println!("{} bytes", writer.finish().await?);
    /// # Ok(()) }
    /// ```
    pub fn write_file(&self, session: &str, path: &str, how: WriteFile) -> Result<FileWriter> {
        #[derive(Deserialize)]
        struct Written {
            bytes: u64,
        }
        let operation = format!("writing {path} in session {session}");
        let transport = self.client.transport.clone();
        let mut query = vec![("path", path.to_owned()), ("mode", if how.append { "append" } else { "overwrite" }.to_owned())];
        query.extend(how.permissions.map(|mode| ("permissions", format!("{mode:04o}"))));
        query.extend(how.user.named().map(|user| ("user", user.to_owned())));
        let request = transport.native(Method::PUT, &["sessions", session, "files"])?.query(&query);
        let (sender, pieces) = FileWriter::pieces();
        let task = tokio::spawn(async move {
            let request = request.header("content-type", "application/octet-stream").body(reqwest::Body::wrap_stream(body(pieces)));
            let sent = request.send().await;
            let limit = transport.timeout();
            let response = sent.map_err(|error| transport_error(&operation, limit, error))?;
            let answer: Answer = in_time_all(&operation, limit, read_body(response, &operation, limit)).await?;
            super::read::<Written>(&operation, &answer).map(|written| written.bytes)
        });
        Ok(FileWriter::new(sender, task))
    }
}

/// The body of an upload. Unless its end is said, it breaks off, so that the server throws it away.
pub(crate) fn body(pieces: mpsc::Receiver<Option<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Some(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(None) => None,
            None => Some((Err(io::Error::new(io::ErrorKind::Interrupted, "the writer was dropped")), None)),
        }
    })
}

async fn in_time(
    operation: &str,
    limit: Duration,
    work: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> Result<reqwest::Response> {
    in_time_all(operation, limit, async { work.await.map_err(|error| transport_error(operation, limit, error)) }).await
}

async fn in_time_all<T>(operation: &str, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::Timeout { operation: operation.to_owned(), after: limit, request_id: None };
    tokio::time::timeout(limit, work).await.map_err(late)?
}
