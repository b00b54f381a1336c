//! The client: sessions are made, found, listed and deleted here.

use crate::config::AgentBayBuilder;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::list::{ListParams, SessionPage, SessionSummary, check_limit, read_page};
use crate::params::CreateSessionParams;
use crate::session::{Deleted, Session, SessionProperties};
use crate::transport::{Call, Transport};
use crate::{Error, Response, Result};
use futures::Stream;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A client of one service with one key. Cheap to clone; all clones share one pool of connections.
///
/// Calls need a Tokio runtime.
///
/// ```no_run
/// # async fn example() -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::{AgentBay, CreateSessionParams};
/// let client = AgentBay::from_env()?;
/// let session = client.create(CreateSessionParams::new()).await?;
/// println!("{}", session.command().run("uname -a").await?.stdout);
/// session.delete().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct AgentBay {
    pub(crate) transport: Arc<Transport>,
}

impl AgentBay {
    /// A client with this key; endpoint, region and time-out come from the environment, see [`AgentBayBuilder`].
    ///
    /// ```no_run
    /// # fn example() -> roadstead_sdk::Result<()> {
    /// let client = roadstead_sdk::AgentBay::new("akm-…")?;
    /// # Ok(()) }
    /// ```
    pub fn new(api_key: impl Into<String>) -> Result<Self> {
        Self::builder().api_key(api_key).build()
    }

    /// A client set up by the environment alone, see [`AgentBayBuilder`].
    ///
    /// ```no_run
    /// # fn example() -> roadstead_sdk::Result<()> {
    /// let client = roadstead_sdk::AgentBay::from_env()?;
    /// # Ok(()) }
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// A client set up in code.
    ///
    /// ```no_run
    /// # fn example() -> roadstead_sdk::Result<()> {
    /// let client = roadstead_sdk::AgentBay::builder().endpoint("localhost:8443").build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> AgentBayBuilder {
        AgentBayBuilder::default()
    }

    /// The base URL that requests go to.
    ///
    /// ```no_run
    /// # fn example(client: roadstead_sdk::AgentBay) {
    /// println!("talking to {}", client.endpoint());
    /// # }
    /// ```
    pub fn endpoint(&self) -> &str {
        self.transport.base().as_str()
    }

    /// Makes a session; returns when it can be used.
    ///
    /// Dropping the future leaves no session behind: the request runs to its end in the background, and a session that
    /// nobody waits for any more is deleted.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::CreateSessionParams;
    /// let session = client.create(CreateSessionParams::new().image("linux_latest").label("job", "nightly")).await?;
    /// println!("{} by request {}", session.id(), session.request_id);
    /// # Ok(()) }
    /// ```
    pub async fn create(&self, params: CreateSessionParams) -> Result<Response<Session>> {
        const OPERATION: &str = "creating a session";
        params.check()?;
        let client = self.clone();
        let keep = !params.delete_on_drop;
        let task = tokio::spawn(async move {
            let envelope = client.transport.call(params.to_call(OPERATION, client.transport.region())).await?;
            let mut properties: SessionProperties = envelope.data()?;
            if properties.refused || properties.session_id.is_empty() {
                return Err(not_made(&envelope, OPERATION, properties.failure));
            }
            properties.image_id = properties.image_id.or(params.image);
            let session = Session::new(client, properties);
            session.delete_on_drop(true);
            Ok(envelope.into_response(session))
        });
        let session = task.await.map_err(|error| Error::Transport {
            operation: OPERATION.into(),
            reason: "the request's task was ended".into(),
            source: Box::new(error),
        })??;
        if keep {
            session.delete_on_drop(false);
        }
        Ok(session)
    }

    /// Finds a live session by its id. [`Error::NotFound`] when it was released or never was this key's.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let session = client.get("session-04bdwfj7u22a1s30g").await?;
    /// session.command().run("date").await?;
    /// # Ok(()) }
    /// ```
    pub async fn get(&self, id: &str) -> Result<Response<Session>> {
        check_id(id)?;
        let call = Call::new("GetSession", format!("getting session {id}")).param("SessionId", id);
        let envelope = self.transport.call(call).await?;
        let mut properties: SessionProperties = envelope.data()?;
        if properties.session_id.is_empty() {
            properties.session_id = id.to_owned();
        }
        let session = Session::new(self.clone(), properties);
        Ok(envelope.into_response(session))
    }

    /// A handle on a session by its id, without a request: whether it lives shows when it is used.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let session = client.attach("session-04bdwfj7u22a1s30g")?;
    /// println!("{}", session.command().run("uptime").await?.stdout);
    /// # Ok(()) }
    /// ```
    pub fn attach(&self, id: &str) -> Result<Session> {
        self.attach_with(SessionProperties { session_id: id.to_owned(), ..SessionProperties::default() })
    }

    /// Like [`AgentBay::attach`], with the properties that the caller knows: the service keeps no network fields, so
    /// whoever wants them on a recovered session sets them by hand.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::SessionProperties;
    /// let mut known = SessionProperties::default();
    /// known.session_id = "session-04bdwfj7u22a1s30g".into();
    /// known.network_interface_ip = Some("172.16.0.7".into());
    /// known.http_port = Some("8080".into());
    /// known.vpc_resource = true;
    /// let session = client.attach_with(known)?;
    /// # Ok(()) }
    /// ```
    pub fn attach_with(&self, properties: SessionProperties) -> Result<Session> {
        check_id(&properties.session_id)?;
        Ok(Session::new(self.clone(), properties))
    }

    /// One page of live sessions. The next page's params are these with the page's `next_token`.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::ListParams;
    /// let page = client.list(ListParams::new().label("job", "nightly").limit(5)).await?;
    /// println!("{} of {}: {:?}", page.sessions.len(), page.total_count, page.session_ids());
    /// if let Some(token) = &page.next_token {
    ///     let second = client.list(ListParams::new().label("job", "nightly").limit(5).next_token(token)).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn list(&self, params: ListParams) -> Result<Response<SessionPage>> {
        check_limit(params.limit)?;
        let envelope = self.transport.call(params.to_call()).await?;
        let page = read_page(&envelope, params.limit)?;
        Ok(envelope.into_response(page))
    }

    /// Page `page` (from 1) of the live sessions that have all of `labels`, by walking the cursors from page 1; each
    /// page before it costs a request. [`Error::PageOutOfRange`], with the total, when there are fewer pages.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let second = client.list_page([("job", "nightly")], 2, 5).await?;
    /// println!("{:?}", second.session_ids());
    /// # Ok(()) }
    /// ```
    pub async fn list_page<K: Into<String>, V: Into<String>>(
        &self,
        labels: impl IntoIterator<Item = (K, V)>,
        page: u32,
        limit: u32,
    ) -> Result<Response<SessionPage>> {
        if page == 0 {
            return Err(Error::invalid("page 0 does not exist: pages count from 1"));
        }
        let mut params = ListParams::new().limit(limit);
        params.labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect::<BTreeMap<_, _>>();
        let mut found = self.list(params.clone()).await?;
        for _ in 1..page {
            let Some(token) = found.next_token.take() else {
                let Response { request_id, value, .. } = found;
                return Err(Error::PageOutOfRange { page, total_count: value.total_count, request_id });
            };
            found = self.list(params.clone().next_token(token)).await?;
        }
        Ok(found)
    }

    /// Every live session that matches, fetched page by page as the stream is read. The stream ends after an error.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use futures::TryStreamExt;
    /// use roadstead_sdk::ListParams;
    /// let mut sessions = std::pin::pin!(client.sessions(ListParams::new().label("job", "nightly")));
    /// while let Some(summary) = sessions.try_next().await? {
    ///     client.attach(&summary.session_id)?.delete().await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn sessions(&self, params: ListParams) -> impl Stream<Item = Result<SessionSummary>> + Send + use<> {
        let client = self.clone();
        let pages = futures::stream::try_unfold(Some(params), move |next| {
            let client = client.clone();
            async move {
                let Some(params) = next else { return Ok(None) };
                let page = client.list(params.clone()).await?.into_value();
                let following = page.next_token.map(|token| params.next_token(token));
                Ok(Some((futures::stream::iter(page.sessions.into_iter().map(Ok)), following)))
            }
        });
        futures::TryStreamExt::try_flatten(pages)
    }

    /// Deletes a session and waits until nothing of it is left; see [`Session::delete`].
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay, session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// client.delete(&session).await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self, session: &Session) -> Result<Response<Deleted>> {
        session.delete().await
    }
}

/// A refusal inside an answer that is a success by its envelope.
fn not_made(envelope: &Envelope, operation: &str, why: Option<String>) -> Error {
    let message = why.filter(|text| !text.is_empty()).unwrap_or_else(|| "the answer holds no session".into());
    let (operation, request_id) = (operation.to_owned(), Some(envelope.request_id.clone()));
    Error::from_api(ApiError { operation, code: String::new(), message, status: 200, request_id })
}

fn check_id(id: &str) -> Result<()> {
    if id.trim().is_empty() {
        return Err(Error::invalid("the session id is empty"));
    }
    Ok(())
}
