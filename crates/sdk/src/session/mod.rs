//! The handle on one session.

mod delete;
mod link;
mod properties;

pub use delete::{DeleteOptions, Deleted};
pub use link::{LinkParams, LinkProtocol};
pub use properties::{SessionInfo, SessionProperties, SessionStatus};

use crate::code::Code;
use crate::command::Command;
use crate::env::Environment;
use crate::files::FileSystem;
use crate::git::Git;
use crate::link::Link;
use crate::pty::Ptys;
use crate::tools::McpTool;
use crate::transport::Call;
use crate::{AgentBay, Error, Response, Result, labels};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

/// A handle on one session. Cheap to clone; all clones are the same session.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let session = client.create(Default::default()).await?;
/// session.files().write("/tmp/hello.txt", "hello").await?;
/// println!("{}", session.command().run("cat /tmp/hello.txt").await?.stdout);
/// session.delete().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) client: AgentBay,
    pub(crate) properties: SessionProperties,
    tools: RwLock<Arc<[McpTool]>>,
    pub(crate) link: Link,
    delete_on_drop: AtomicBool,
}

impl Session {
    pub(crate) fn new(client: AgentBay, properties: SessionProperties) -> Self {
        let tools = RwLock::new(properties.tools().into());
        let (link, delete_on_drop) = (Link::default(), AtomicBool::new(false));
        Self { inner: Arc::new(Inner { client, properties, tools, link, delete_on_drop }) }
    }

    /// The session's id.
    ///
    /// ```no_run
    /// # fn example(session: roadstead_sdk::Session) {
    /// println!("{}", session.id());
    /// # }
    /// ```
    pub fn id(&self) -> &str {
        &self.inner.properties.session_id
    }

    /// What it was started from; unknown on a session that was attached or found by id.
    ///
    /// ```no_run
    /// # fn example(session: roadstead_sdk::Session) {
    /// println!("{}", session.image_id().unwrap_or("the default image"));
    /// # }
    /// ```
    pub fn image_id(&self) -> Option<&str> {
        self.inner.properties.image_id.as_deref()
    }

    /// A URL that opens the session in a browser, as it was when this handle was made; [`Session::info`] has a fresh one.
    ///
    /// ```no_run
    /// # fn example(session: roadstead_sdk::Session) {
    /// println!("{}", session.resource_url().unwrap_or("not known: ask `info`"));
    /// # }
    /// ```
    pub fn resource_url(&self) -> Option<&str> {
        self.inner.properties.resource_url.as_deref()
    }

    /// Everything that is known of the session without asking.
    ///
    /// ```no_run
    /// # fn example(session: roadstead_sdk::Session) {
    /// println!("in a VPC: {}", session.properties().vpc_resource);
    /// # }
    /// ```
    pub fn properties(&self) -> &SessionProperties {
        &self.inner.properties
    }

    /// The tools as last listed by [`Session::list_mcp_tools`], or as the service told them on create.
    ///
    /// ```no_run
    /// # fn example(session: roadstead_sdk::Session) {
    /// println!("{} tools known", session.tools().len());
    /// # }
    /// ```
    pub fn tools(&self) -> Arc<[McpTool]> {
        self.inner.tools.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn remember_tools(&self, tools: &[McpTool]) {
        *self.inner.tools.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = tools.into();
    }

    /// Runs commands in the session.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", session.command().run("id -un").await?.stdout);
    /// # Ok(()) }
    /// ```
    pub fn command(&self) -> Command {
        Command::new(self.clone())
    }

    /// Reads and writes files in the session.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", *session.files().read("/etc/os-release").await?);
    /// # Ok(()) }
    /// ```
    pub fn files(&self) -> FileSystem {
        FileSystem::new(self.clone())
    }

    /// Runs code in kernels that keep their state.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::Language;
    /// println!("{}", session.code().run_code("print(6 * 7)", Language::Python).await?.stdout);
    /// # Ok(()) }
    /// ```
    pub fn code(&self) -> Code {
        Code::new(self.clone())
    }

    /// Terminals in the session.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let pty = session.pty().create(roadstead_sdk::PtyOptions::new()).await?;
    /// # Ok(()) }
    /// ```
    pub fn pty(&self) -> Ptys {
        Ptys::new(self.clone())
    }

    /// Works on Git repositories in the session.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.git().init("/tmp/project").await?;
    /// # Ok(()) }
    /// ```
    pub fn git(&self) -> Git {
        Git::new(self.clone())
    }

    /// The variables that every later command, terminal and piece of code sees.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.env().set([("STAGE", "test")]).await?;
    /// # Ok(()) }
    /// ```
    pub fn env(&self) -> Environment {
        Environment::new(self.clone())
    }

    /// Replaces the session's labels by these: at least one, keys and values non-empty.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.set_labels([("project", "demo"), ("stage", "test")]).await?;
    /// # Ok(()) }
    /// ```
    pub async fn set_labels<K: Into<String>, V: Into<String>>(&self, labels: impl IntoIterator<Item = (K, V)>) -> Result<Response<()>> {
        let labels: BTreeMap<String, String> = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        if labels.is_empty() {
            return Err(Error::invalid("no labels: setting needs at least one"));
        }
        labels::check(&labels)?;
        let call = self.call("SetLabel", "setting the labels of").param("Labels", labels::to_json(&labels));
        Ok(self.transport().call(call).await?.into_response(()))
    }

    /// The session's labels.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let labels = session.labels().await?;
    /// println!("{:?}", labels.get("project"));
    /// # Ok(()) }
    /// ```
    pub async fn labels(&self) -> Result<Response<BTreeMap<String, String>>> {
        #[derive(serde::Deserialize)]
        struct Data {
            #[serde(default, rename = "Labels")]
            labels: Option<String>,
        }
        let envelope = self.transport().call(self.call("GetLabel", "getting the labels of")).await?;
        let data: Option<Data> = envelope.data()?;
        let text = data.and_then(|data| data.labels).filter(|text| !text.is_empty());
        let labels = match text {
            Some(text) => serde_json::from_str(&text).map_err(|error| envelope.unexpected(format!("`Labels`: {error}")))?,
            None => BTreeMap::new(),
        };
        Ok(envelope.into_response(labels))
    }

    /// Facts about the session, fetched anew. Fails with [`Error::NotFound`] once it was released: this is the way to
    /// ask whether a session still lives.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// let info = session.info().await?;
    /// println!("open {} within half an hour", info.resource_url);
    /// # Ok(()) }
    /// ```
    pub async fn info(&self) -> Result<Response<SessionInfo>> {
        let envelope = self.transport().call(self.call("GetMcpResource", "getting the info of")).await?;
        let info = SessionInfo::from_wire(envelope.data()?);
        Ok(envelope.into_response(info))
    }

    /// Where the session is in its life. Asking is no activity: it does not put off the idle time-out.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// println!("{}", session.status().await?.as_str());
    /// # Ok(()) }
    /// ```
    pub async fn status(&self) -> Result<Response<SessionStatus>> {
        #[derive(serde::Deserialize)]
        struct Data {
            #[serde(rename = "Status")]
            status: SessionStatus,
        }
        let call = Call::new("GetSessionDetail", self.doing("getting the status of")).query("SessionId", self.id());
        let envelope = self.transport().call(call).await?;
        let data: Data = envelope.data()?;
        Ok(envelope.into_response(data.status))
    }

    /// Counts as activity: the idle time-out starts anew.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> roadstead_sdk::Result<()> {
    /// session.keep_alive().await?;
    /// # Ok(()) }
    /// ```
    pub async fn keep_alive(&self) -> Result<Response<()>> {
        let call = self.call("RefreshSessionIdleTime", "keeping alive");
        Ok(self.transport().call(call).await?.into_response(()))
    }

    /// Whether dropping the last handle on this session deletes it. The request is sent in the background, so it needs
    /// the Tokio runtime to go on running; at the end of `main`, [`Session::delete`] is the sure way.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let session = client.get("session-04bdwfj7u22a1s30g").await?;
    /// session.delete_on_drop(true); // whatever happens from here on
    /// # Ok(()) }
    /// ```
    pub fn delete_on_drop(&self, delete: bool) {
        self.inner.delete_on_drop.store(delete, Ordering::Relaxed);
    }

    pub(crate) fn transport(&self) -> &crate::transport::Transport {
        &self.inner.client.transport
    }

    /// A call about this session, which stands in the body as most actions want it.
    pub(crate) fn call(&self, action: &'static str, doing: &str) -> Call {
        Call::new(action, self.doing(doing)).param("SessionId", self.id())
    }

    fn doing(&self, doing: &str) -> String {
        format!("{doing} session {}", self.id())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.delete_on_drop.load(Ordering::Relaxed) {
            return;
        }
        // Without a runtime nothing can be sent any more; the service's idle time-out then ends the session.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let client = self.client.clone();
            let id = std::mem::take(&mut self.properties.session_id);
            runtime.spawn(async move {
                let call = Call::new("DeleteSessionAsync", format!("deleting session {id}")).param("SessionId", id);
                // Nobody is left to hear of a failure.
                let _ = client.transport.call(call).await;
            });
        }
    }
}
