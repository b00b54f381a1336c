//! Deleting a session, and waiting until nothing of it is left.

use super::{Session, SessionStatus};
use crate::poll::Backoff;
use crate::{Error, Response, Result};
use serde::Deserialize;
use std::time::Duration;

/// How long a deletion may take.
const DELETE_LIMIT: Duration = Duration::from_secs(300);
/// How long the upload of contexts may take before the session is deleted all the same.
const SYNC_LIMIT: Duration = Duration::from_secs(300);

/// How a session is to be deleted.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::DeleteOptions;
/// let deleted = session.delete_with(DeleteOptions::new().sync_contexts(true)).await?;
/// println!("not saved: {:?}", deleted.sync_failures);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DeleteOptions {
    sync_contexts: bool,
}

impl DeleteOptions {
    /// Delete at once.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::DeleteOptions::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Upload the session's contexts first. A failure is told in [`Deleted::sync_failures`]; the session is deleted all
    /// the same.
    ///
    /// ```no_run
    /// let options = roadstead_sdk::DeleteOptions::new().sync_contexts(true);
    /// ```
    #[must_use]
    pub fn sync_contexts(mut self, sync: bool) -> Self {
        self.sync_contexts = sync;
        self
    }
}

/// What became of a deletion.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
/// let deleted = session.delete().await?;
/// println!("gone, request {}", deleted.request_id);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// What could not be uploaded before, one sentence each; empty when nothing was asked for.
    pub sync_failures: Vec<String>,
}

impl Session {
    /// Deletes the session and waits until nothing of it is left, at most 5 minutes. [`Error::NotFound`] when it was
    /// gone already.
    ///
    /// Dropping the future stops the waiting; once the request was sent, the service goes on deleting.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.delete().await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self) -> Result<Response<Deleted>> {
        self.delete_with(DeleteOptions::default()).await
    }

    /// Like [`Session::delete`], with options.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.delete_with(roadstead_sdk::DeleteOptions::new().sync_contexts(true)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete_with(&self, options: DeleteOptions) -> Result<Response<Deleted>> {
        let sync_failures = if options.sync_contexts { self.upload_contexts().await } else { Vec::new() };
        let accepted = self.transport().call(self.call("DeleteSessionAsync", "deleting")).await?;
        self.delete_on_drop(false);
        let mut backoff = Backoff::new(DELETE_LIMIT);
        loop {
            match self.status().await {
                Err(Error::NotFound(_)) => break,
                Ok(status) if matches!(*status, SessionStatus::Finished | SessionStatus::Deleted) => break,
                // A poll that fails says nothing about the deletion, which goes on in the service.
                Ok(_) => {}
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error),
            }
            if !backoff.wait().await {
                let request_id = Some(accepted.request_id);
                return Err(Error::Timeout { operation: self.doing("deleting"), after: DELETE_LIMIT, request_id });
            }
        }
        Ok(accepted.into_response(Deleted { sync_failures }))
    }

    /// Uploads every context of the session and says what could not be saved.
    async fn upload_contexts(&self) -> Vec<String> {
        let key = format!("Bearer {}", self.transport().api_key());
        let call = self.call("SyncContext", "uploading the contexts of").query("Authorization", key);
        if let Err(error) = self.transport().call(call).await {
            return vec![error.to_string()];
        }
        let mut backoff = Backoff::new(SYNC_LIMIT);
        loop {
            let tasks = match self.upload_tasks().await {
                Ok(tasks) => tasks,
                Err(error) if error.is_retryable() => vec![SyncTask::default()],
                Err(error) => return vec![error.to_string()],
            };
            if tasks.iter().all(|task| matches!(task.status.as_str(), "Success" | "Failed")) {
                return tasks.into_iter().filter(|task| task.status == "Failed").map(SyncTask::into_failure).collect();
            }
            if !backoff.wait().await {
                return vec![format!("the upload did not end within {} s", SYNC_LIMIT.as_secs())];
            }
        }
    }

    async fn upload_tasks(&self) -> Result<Vec<SyncTask>> {
        #[derive(Deserialize)]
        struct Data {
            #[serde(rename = "ContextStatus")]
            status: Option<String>,
        }
        #[derive(Deserialize)]
        struct Part {
            #[serde(rename = "type")]
            kind: String,
            #[serde(default)]
            data: String,
        }
        let call = self.call("GetContextInfo", "watching the upload of the contexts of");
        let envelope = self.transport().call(call).await?;
        let data: Option<Data> = envelope.data()?;
        let text = data.and_then(|data| data.status).filter(|text| !text.is_empty()).unwrap_or_else(|| "[]".into());
        let unreadable = |error: serde_json::Error| envelope.unexpected(format!("`ContextStatus`: {error}"));
        let mut uploads = Vec::new();
        for part in serde_json::from_str::<Vec<Part>>(&text).map_err(unreadable)?.into_iter().filter(|part| part.kind == "data") {
            let tasks: Vec<SyncTask> = serde_json::from_str(&part.data).map_err(unreadable)?;
            uploads.extend(tasks.into_iter().filter(|task| task.task_type == "upload"));
        }
        Ok(uploads)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SyncTask {
    context_id: String,
    path: String,
    task_type: String,
    status: String,
    error_message: String,
}

impl SyncTask {
    fn into_failure(self) -> String {
        let why = if self.error_message.is_empty() { "the service gave no reason" } else { &self.error_message };
        format!("context {} at {} was not uploaded: {why}", self.context_id, self.path)
    }
}
