//! Listing sessions page by page.

use crate::envelope::Envelope;
use crate::session::SessionStatus;
use crate::transport::Call;
use crate::{Error, Result, labels};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How many sessions a page holds unless said otherwise.
const DEFAULT_LIMIT: u32 = 10;
/// How many it can hold.
const MAX_LIMIT: u32 = 100;

/// Which sessions to list, and how many at a time.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::{ListParams, SessionStatus};
/// let page = client.list(ListParams::new().label("job", "nightly").status(SessionStatus::Running).limit(50)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "params do nothing until something is listed with them"]
pub struct ListParams {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) limit: u32,
    next_token: Option<String>,
    status: Option<SessionStatus>,
    image_id: Option<String>,
}

impl Default for ListParams {
    fn default() -> Self {
        Self { labels: BTreeMap::new(), limit: DEFAULT_LIMIT, next_token: None, status: None, image_id: None }
    }
}

impl ListParams {
    /// All live sessions, 10 a page.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::ListParams::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Only sessions with this label; with several, all must match.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::ListParams::new().label("project", "demo").label("owner", "ada");
    /// ```
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sessions a page, 1 to 100.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::ListParams::new().limit(100);
    /// ```
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Go on where an earlier page, listed with the same filter, ended.
    ///
    /// ```no_run
    /// # fn example(page: roadstead_sdk::SessionPage) {
    /// let params = page.next_token.map(|token| roadstead_sdk::ListParams::new().next_token(token));
    /// # }
    /// ```
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }

    /// Only sessions in this state.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::ListParams::new().status(roadstead_sdk::SessionStatus::Running);
    /// ```
    pub fn status(mut self, status: SessionStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Only sessions made from this image.
    ///
    /// ```no_run
    /// let params = roadstead_sdk::ListParams::new().image("linux_latest");
    /// ```
    pub fn image(mut self, image_id: impl Into<String>) -> Self {
        self.image_id = Some(image_id.into());
        self
    }

    pub(crate) fn to_call(&self) -> Call {
        Call::new("ListSession", "listing sessions")
            .param("Labels", labels::to_json(&self.labels))
            .param("MaxResults", self.limit.to_string())
            .optional("NextToken", self.next_token.as_deref())
            .optional("Status", self.status.as_ref().map(SessionStatus::as_str))
            .optional("ImageId", self.image_id.as_deref())
    }
}

/// One page of a listing.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let page = client.list(Default::default()).await?;
/// println!("{} sessions in all, more: {}", page.total_count, page.next_token.is_some());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions of this page.
    pub sessions: Vec<SessionSummary>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
    /// Sessions a page.
    pub max_results: u32,
    /// How many match in all.
    pub total_count: u64,
}

impl SessionPage {
    /// The ids alone.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// for id in client.list(Default::default()).await?.session_ids() {
    ///     println!("{id}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn session_ids(&self) -> Vec<&str> {
        self.sessions.iter().map(|session| session.session_id.as_str()).collect()
    }
}

/// A session as a listing shows it.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// for session in &client.list(Default::default()).await?.sessions {
///     println!("{} {:?}", session.session_id, session.status);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SessionSummary {
    /// Its id.
    pub session_id: String,
    /// Where it is in its life, when the service says so.
    #[serde(default, rename = "SessionStatus")]
    pub status: Option<SessionStatus>,
    /// What it was started from, when the service says so.
    #[serde(default)]
    pub image_id: Option<String>,
}

pub(crate) fn check_limit(limit: u32) -> Result<()> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid(format!("a page of {limit} sessions cannot be listed: choose 1 to {MAX_LIMIT}")))
}

pub(crate) fn read_page(envelope: &Envelope, limit: u32) -> Result<SessionPage> {
    let sessions: Option<Vec<SessionSummary>> = envelope.data()?;
    let sessions = sessions.unwrap_or_default();
    Ok(SessionPage {
        next_token: envelope.next_token.clone(),
        max_results: envelope.max_results.unwrap_or(limit),
        total_count: envelope.total_count.unwrap_or(sessions.len() as u64),
        sessions,
    })
}
