//! Contexts: named data that outlives sessions, used here without one.

mod files;

pub use files::{ContextEntry, ContextFilesPage, EntryKind, FileUrl};

use crate::envelope::Envelope;
use crate::poll::Backoff;
use crate::transport::Call;
use crate::{AgentBay, Error, Response, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long [`Contexts::clear`] waits unless said otherwise.
const CLEAR_LIMIT: Duration = Duration::from_secs(60);

/// The contexts of a client's tenant, see [`AgentBay::contexts`].
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let contexts = client.contexts();
/// let data = contexts.create("my-project").await?;
/// contexts.put(&data.id, "/notes/today.txt", "remember").await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Contexts {
    client: AgentBay,
}

/// Where a context is in its life.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::ContextState;
/// assert_eq!(client.contexts().create("data").await?.state, ContextState::Available);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
#[non_exhaustive]
pub enum ContextState {
    /// It can be used.
    Available,
    /// Its files are being removed.
    Clearing,
    /// Any other word of the service.
    Other(String),
}

impl ContextState {
    /// The service's word.
    ///
    /// ```no_run
    /// assert_eq!(roadstead_sdk::ContextState::Available.as_str(), "available");
    /// ```
    pub fn as_str(&self) -> &str {
        match self {
            Self::Available => "available",
            Self::Clearing => "clearing",
            Self::Other(word) => word,
        }
    }
}

impl From<ContextState> for String {
    fn from(state: ContextState) -> Self {
        state.as_str().to_owned()
    }
}

impl<'de> Deserialize<'de> for ContextState {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?;
        Ok(match word.as_str() {
            "available" => Self::Available,
            "clearing" => Self::Clearing,
            _ => Self::Other(word),
        })
    }
}

/// A context.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let context = client.contexts().get("my-project").await?;
/// println!("{} {}", context.id, context.name);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
#[non_exhaustive]
pub struct Context {
    /// Its id.
    pub id: String,
    /// Its name; no other context of the tenant has it.
    #[serde(default)]
    pub name: String,
    /// Where it is in its life. A service that does not say so is still clearing it.
    #[serde(default = "clearing")]
    pub state: ContextState,
    /// When it was made, RFC 3339.
    #[serde(default, rename(deserialize = "CreateTime"))]
    pub created_at: Option<String>,
    /// When a file of it was last used, RFC 3339.
    #[serde(default, rename(deserialize = "LastUsedTime"))]
    pub used_at: Option<String>,
}

/// One page of contexts, newest first.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let page = client.contexts().list(50, None).await?;
/// println!("{} of {}", page.contexts.len(), page.total_count);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextPage {
    /// The contexts.
    pub contexts: Vec<Context>,
    /// Where the next page starts; `None` on the last one.
    pub next_token: Option<String>,
    /// How many there are in all.
    pub total_count: u64,
}

impl AgentBay {
    /// Named data that outlives sessions.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{} contexts", client.contexts().list(10, None).await?.total_count);
    /// # Ok(()) }
    /// ```
    pub fn contexts(&self) -> Contexts {
        Contexts { client: self.clone() }
    }
}

impl Contexts {
    /// A context by its name.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let context = client.contexts().get("my-project").await?;
    /// # Ok(()) }
    /// ```
    pub async fn get(&self, name: &str) -> Result<Response<Context>> {
        check("name", name)?;
        self.find(format!("getting context {name}"), "Name", name, false).await
    }

    /// A context by its id.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let context = client.contexts().get_by_id("SdkCtx-04bdwfj7u22a1s30g").await?;
    /// # Ok(()) }
    /// ```
    pub async fn get_by_id(&self, id: &str) -> Result<Response<Context>> {
        check("id", id)?;
        self.find(format!("getting context {id}"), "ContextId", id, false).await
    }

    /// The context of this name, made when there is none.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let context = client.contexts().create("my-project").await?;
    /// # Ok(()) }
    /// ```
    pub async fn create(&self, name: &str) -> Result<Response<Context>> {
        check("name", name)?;
        self.find(format!("creating context {name}"), "Name", name, true).await
    }

    /// A page of at most `limit` contexts, newest first, from the beginning or after an earlier page.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let mut token = None;
    /// loop {
    ///     let page = client.contexts().list(100, token.as_deref()).await?.into_value();
    ///     page.contexts.iter().for_each(|context| println!("{}", context.name));
    ///     token = page.next_token;
    ///     if token.is_none() { break }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn list(&self, limit: u32, next_token: Option<&str>) -> Result<Response<ContextPage>> {
        let call = Call::new("ListContexts", "listing contexts").param("MaxResults", limit.to_string()).optional("NextToken", next_token);
        let envelope = self.client.transport.call(call).await?;
        let contexts: Option<Vec<Context>> = envelope.data()?;
        let contexts = contexts.unwrap_or_default();
        let (next_token, total_count) = (envelope.next_token.clone(), envelope.total_count.unwrap_or(contexts.len() as u64));
        Ok(envelope.into_response(ContextPage { contexts, next_token, total_count }))
    }

    /// Gives a context another name.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().rename("SdkCtx-04bdwfj7u22a1s30g", "archive").await?;
    /// # Ok(()) }
    /// ```
    pub async fn rename(&self, id: &str, name: &str) -> Result<Response<()>> {
        check("id", id)?;
        check("name", name)?;
        self.act(Call::new("ModifyContext", format!("renaming context {id}")).param("Id", id).param("Name", name)).await
    }

    /// Removes a context and its files. It is gone at once.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().delete("SdkCtx-04bdwfj7u22a1s30g").await?;
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self, id: &str) -> Result<Response<()>> {
        check("id", id)?;
        self.act(Call::new("DeleteContext", format!("deleting context {id}")).param("Id", id)).await
    }

    /// Removes all files of a context and waits, up to a minute, until that is done.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().clear("SdkCtx-04bdwfj7u22a1s30g").await?;
    /// # Ok(()) }
    /// ```
    pub async fn clear(&self, id: &str) -> Result<Response<()>> {
        self.clear_within(id, CLEAR_LIMIT).await
    }

    /// As [`Self::clear`], with another limit. When it passes, the clearing goes on all the same.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().clear_within("SdkCtx-04bdwfj7u22a1s30g", std::time::Duration::from_secs(600)).await?;
    /// # Ok(()) }
    /// ```
    pub async fn clear_within(&self, id: &str, limit: Duration) -> Result<Response<()>> {
        let mut last = self.start_clear(id).await?;
        let mut backoff = Backoff::new(limit);
        loop {
            let found = self.get_by_id(id).await?;
            let (state, done) = (found.state.clone(), found.map(drop));
            last.request_id = done.request_id;
            if state == ContextState::Available {
                return Ok(last);
            }
            if !backoff.wait().await {
                let operation = format!("clearing context {id}");
                return Err(Error::Timeout { operation, after: limit, request_id: Some(last.request_id) });
            }
        }
    }

    /// Begins to remove all files of a context; its state says when that is done.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.contexts().start_clear("SdkCtx-04bdwfj7u22a1s30g").await?;
    /// # Ok(()) }
    /// ```
    pub async fn start_clear(&self, id: &str) -> Result<Response<()>> {
        check("id", id)?;
        self.act(Call::new("ClearContext", format!("clearing context {id}")).param("Id", id)).await
    }

    async fn find(&self, operation: String, by: &'static str, value: &str, create: bool) -> Result<Response<Context>> {
        let call = Call::new("GetContext", operation)
            .param(by, value)
            .param("AllowCreate", create.to_string())
            .optional("LoginRegionId", create.then(|| self.client.transport.region()));
        let envelope = self.client.transport.call(call).await?;
        let context: Context = envelope.data()?;
        if context.id.is_empty() {
            return Err(envelope.unexpected("it names no context"));
        }
        Ok(envelope.into_response(context))
    }

    async fn act(&self, call: Call) -> Result<Response<()>> {
        Ok(self.call(call).await?.into_response(()))
    }

    async fn call(&self, call: Call) -> Result<Envelope> {
        self.client.transport.call(call).await
    }
}

fn clearing() -> ContextState {
    ContextState::Clearing
}

fn check(what: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("the context's {what} is empty")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_services_write_it() {
        let read = |text: &str| serde_json::from_str::<Context>(text).unwrap();
        let whole = read(r#"{"Id":"SdkCtx-1","Name":"n","State":"available","OsType":"linux","CreateTime":"t","LastUsedTime":"u"}"#);
        assert_eq!((whole.state, whole.created_at.as_deref(), whole.used_at.as_deref()), (ContextState::Available, Some("t"), Some("u")));
        assert_eq!(read(r#"{"Id":"SdkCtx-1"}"#).state, ContextState::Clearing, "no state reads as clearing");
        assert_eq!(read(r#"{"Id":"SdkCtx-1","State":"in-use"}"#).state.as_str(), "in-use");
    }
}
