//! Changes below a path as they happen: pushed where the service can, else asked for.

use super::{FileChange, FileSystem};
use crate::link::{Event, Route, Subscription, frame};
use crate::ws::{Message, invocation_id};
use crate::{Error, Result, Session};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// Who watches when the tool list does not say.
const DEFAULT_SERVER: &str = "wuying_filesystem";
/// How often a service without pushes is asked.
const POLL: Duration = Duration::from_millis(500);

/// Changes below a path, see [`FileSystem::watch`]. The stream ends after an error only: then list anew what matters,
/// and watch again.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use futures::TryStreamExt;
/// let mut changes = session.files().watch("/tmp/work").await?;
/// while let Some(change) = changes.try_next().await? {
///     println!("{:?} {}", change.kind, change.path);
/// }
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing until it is read"]
pub struct FileChanges {
    changes: BoxStream<'static, Result<FileChange>>,
}

impl std::fmt::Debug for FileChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileChanges")
    }
}

impl Stream for FileChanges {
    type Item = Result<FileChange>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.changes.poll_next_unpin(cx)
    }
}

impl FileSystem {
    /// Tells what changes below a path from now on. Where the session has a WebSocket changes are pushed, else they are
    /// asked for twice a second, by [`FileSystem::changes`]; then each path has one such watch, because asking moves its
    /// starting point.
    ///
    /// Dropping the stream ends the watch.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use futures::TryStreamExt;
    /// let mut changes = session.files().watch("/tmp/work").await?;
    /// session.command().run("touch /tmp/work/new").await?;
    /// println!("{:?}", changes.try_next().await?);
    /// # Ok(()) }
    /// ```
    pub async fn watch(&self, path: &str) -> Result<FileChanges> {
        match self.pushed(path).await {
            // No address for a WebSocket, or a service that pushes no changes.
            Err(Error::Validation { .. } | Error::Tool(_)) => {}
            pushed => return pushed,
        }
        self.changes(path).await?;
        let first: Result<Vec<FileChange>> = Ok(Vec::new());
        let asked = futures::stream::unfold((self.clone(), path.to_owned(), Some(first)), |(files, path, first)| async {
            let found = match first {
                Some(found) => found,
                None => {
                    tokio::time::sleep(POLL).await;
                    files.changes(&path).await.map(|found| found.into_value())
                }
            };
            Some((found, (files, path, None)))
        });
        Ok(FileChanges { changes: flatten(asked) })
    }

    async fn pushed(&self, path: &str) -> Result<FileChanges> {
        let operation = format!("watching {path} in session {}", self.session.id());
        let target = self.session.server_of("get_file_change").unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        let data = json!({"method": "subscribe_file_change", "params": {"path": path}});
        let subscribed = self.session.link_subscribe(&target, data, Route::Watch(path.to_owned()), &operation).await?;
        let Subscription { pushes, messages, .. } = subscribed;
        let end = Unsubscribe { session: self.session.clone(), messages, target, path: path.to_owned() };
        let pushed = futures::stream::unfold((end, pushes, operation), |(end, mut pushes, operation)| async {
            let found = pushes.next().await.and_then(|event| read(event, &operation));
            Some((found, (end, pushes, operation)))
        });
        Ok(FileChanges { changes: flatten(pushed) })
    }
}

/// Single changes, up to and with the first error.
fn flatten(batches: impl Stream<Item = Result<Vec<FileChange>>> + Send + 'static) -> BoxStream<'static, Result<FileChange>> {
    let changes = batches.flat_map(|batch| match batch {
        Ok(changes) => futures::stream::iter(changes.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => futures::stream::iter(vec![Err(error)]),
    });
    let until_error = changes.scan(false, |failed, change| {
        let over = std::mem::replace(failed, change.is_err());
        std::future::ready((!over).then_some(change))
    });
    until_error.boxed()
}

fn read(event: Event, operation: &str) -> Result<Vec<FileChange>> {
    let mut data = match event {
        Event::Part(data) | Event::End(data) => data,
        Event::Failed(message) => return Err(Error::tool("subscribe_file_change", message, "")),
    };
    let events = data.get_mut("events").map_or_else(|| json!([]), Value::take);
    serde_json::from_value(events).map_err(|error| Error::unexpected(operation, error.to_string(), None))
}

/// Ends the watch when the stream is dropped. The session's handle comes along: it holds the connection.
struct Unsubscribe {
    session: Session,
    messages: mpsc::Sender<Message>,
    target: String,
    path: String,
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        // The session that is let go of last closes the connection, which ends the watch too.
        if std::sync::Arc::strong_count(&self.session.inner) == 1 {
            return;
        }
        let data = json!({"method": "unsubscribe_file_change", "params": {"path": self.path}});
        let message = frame(&invocation_id(), &self.target, data);
        if let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(message)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let messages = self.messages.clone();
            runtime.spawn(async move { messages.send(message).await });
        }
    }
}
