//! What only a Roadstead server offers: its own JSON API under `/v1`.
//!
//! Everything else in this crate speaks the session protocol that the hosted service speaks too; what is here works
//! against Roadstead alone.

pub(crate) mod channel;
mod files;
mod sessions;
mod streams;

pub(crate) use files::body;
pub use files::{ReadFile, WriteFile};
pub use sessions::Listed;

use crate::error::ApiError;
use crate::transport::Answer;
use crate::{AgentBay, CommandOutput, Error, Result};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a request may take beyond its command's limit.
const GRACE: Duration = Duration::from_secs(10);
/// The code of a refusal that is not in a Roadstead server's form.
const FOREIGN: &str = "NotRoadstead";
/// A command's limit unless said otherwise.
const DEFAULT_EXEC_LIMIT: Duration = Duration::from_secs(60);

/// The native API with a client's key and connections, see [`AgentBay::native`].
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// println!("{}", client.native().health().await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Native {
    pub(crate) client: AgentBay,
}

/// Whom a command acts as.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::native::{Exec, User};
/// client.native().exec("session-04bdwfj7u22a1s30g", &Exec::new("apt-get update").user(User::Root)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum User {
    /// The session's user, as everything in a session runs.
    #[default]
    Wuying,
    /// The administrator inside the session.
    Root,
}

impl User {
    /// The name for a query, which leaves the default out.
    fn named(self) -> Option<&'static str> {
        match self {
            Self::Wuying => None,
            Self::Root => Some("root"),
        }
    }
}

/// A command to run.
///
/// ```no_run
/// use roadstead_sdk::native::{Exec, User};
/// let exec = Exec::new("id").user(User::Root).cwd("/").env("LC_ALL", "C").timeout(std::time::Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Serialize)]
#[must_use = "a command runs when `Native::exec` gets it"]
pub struct Exec {
    command: String,
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    envs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stdin: bool,
}

impl Exec {
    /// A command line for `sh -c`, as the session's user. [`Native::exec`] gives it 60 s unless another limit is set;
    /// a streamed command has none unless one is set.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("id");
    /// ```
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), user: User::default(), cwd: None, envs: BTreeMap::new(), timeout_ms: None, stdin: false }
    }

    /// Whom it acts as.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("id").user(roadstead_sdk::native::User::Root);
    /// ```
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// The working directory; the user's home unless set.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("ls").cwd("/tmp");
    /// ```
    pub fn cwd(mut self, directory: impl Into<String>) -> Self {
        self.cwd = Some(directory.into());
        self
    }

    /// One more environment variable.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("env").env("NAME", "ada");
    /// ```
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.envs.insert(name.into(), value.into());
        self
    }

    /// Its time limit.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("make").timeout(std::time::Duration::from_secs(600));
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout_ms = Some(millis(limit).max(1));
        self
    }

    /// Whether a streamed command gets its standard input over the stream; otherwise it is empty.
    ///
    /// ```no_run
    /// let exec = roadstead_sdk::native::Exec::new("cat").stdin(true);
    /// ```
    pub fn stdin(mut self, stdin: bool) -> Self {
        self.stdin = stdin;
        self
    }
}

/// A key to make.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// use roadstead_sdk::native::NewKey;
/// let mut wanted = NewKey::default();
/// wanted.tenant = Some("team-a".into());
/// println!("{}", client.native().create_key(&wanted).await?.text);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct NewKey {
    /// The tenant's name, made when it does not exist; the caller's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What to call the key.
    pub name: String,
    /// Whether it may manage keys and the server.
    pub admin: bool,
}

/// A key just made.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// let key = client.native().create_key(&Default::default()).await?;
/// println!("{} {}", key.info.id, key.text);
/// # Ok(()) }
/// ```
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct CreatedKey {
    /// What is kept of it.
    #[serde(flatten)]
    pub info: Key,
    /// The secret text, `akm-…`; it is shown this once.
    pub text: String,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What is known of a key.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// for key in client.native().keys().await? {
///     println!("{} {} {}", key.id, key.tenant, key.name);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Key {
    /// Its public name.
    pub id: String,
    /// Its tenant's name.
    #[serde(default)]
    pub tenant: String,
    /// What a person called it.
    #[serde(default)]
    pub name: String,
    /// Whether it manages keys and the server.
    #[serde(default)]
    pub admin: bool,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was revoked, RFC 3339.
    #[serde(default)]
    pub revoked_at: Option<String>,
}

/// An image on the server.
///
/// ```no_run
/// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
/// for image in client.native().images().await? {
///     println!("{} {:?}", image.id, image.capabilities);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Image {
    /// Its name.
    pub id: String,
    /// Further names that a session can be asked for by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// CPU architecture.
    #[serde(default)]
    pub arch: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Groups of tools that work in it.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// When it was built, RFC 3339.
    #[serde(default)]
    pub built_at: Option<String>,
}

impl AgentBay {
    /// What only a Roadstead server offers, with this client's key and connections.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{} images", client.native().images().await?.len());
    /// # Ok(()) }
    /// ```
    pub fn native(&self) -> Native {
        Native { client: self.clone() }
    }
}

impl Native {
    /// The server's word about itself; an error when none answers.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{}", client.native().health().await?);
    /// # Ok(()) }
    /// ```
    pub async fn health(&self) -> Result<Value> {
        self.request(Method::GET, &["health"], "asking the server for its health", None::<&()>, None).await
    }

    /// Everything the server tells about a session.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{:#}", client.native().session("session-04bdwfj7u22a1s30g").await?);
    /// # Ok(()) }
    /// ```
    pub async fn session(&self, id: &str) -> Result<Value> {
        self.request(Method::GET, &["sessions", id], &format!("getting session {id}"), None::<&()>, None).await
    }

    /// Runs a command, as root too.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// use roadstead_sdk::native::{Exec, User};
    /// let output = client.native().exec("session-04bdwfj7u22a1s30g", &Exec::new("id -u").user(User::Root)).await?;
    /// assert_eq!(output.stdout, "0\n");
    /// # Ok(()) }
    /// ```
    pub async fn exec(&self, session: &str, exec: &Exec) -> Result<CommandOutput> {
        let limit_ms = exec.timeout_ms.unwrap_or(millis(DEFAULT_EXEC_LIMIT));
        let exec = &Exec { timeout_ms: Some(limit_ms), stdin: false, ..exec.clone() };
        let limit = Duration::from_millis(limit_ms).saturating_add(GRACE).max(self.client.transport.timeout());
        let operation = format!("running a command in session {session}");
        self.request(Method::POST, &["sessions", session, "exec"], &operation, Some(exec), Some(limit)).await
    }

    /// The images that sessions can start from.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let ids: Vec<String> = client.native().images().await?.into_iter().map(|image| image.id).collect();
    /// # Ok(()) }
    /// ```
    pub async fn images(&self) -> Result<Vec<Image>> {
        #[derive(Deserialize)]
        struct Images {
            images: Vec<Image>,
        }
        let found: Images = self.request(Method::GET, &["images"], "listing images", None::<&()>, None).await?;
        Ok(found.images)
    }

    /// The keys that this key may see.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{} keys", client.native().keys().await?.len());
    /// # Ok(()) }
    /// ```
    pub async fn keys(&self) -> Result<Vec<Key>> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Key>,
        }
        let found: Keys = self.request(Method::GET, &["keys"], "listing keys", None::<&()>, None).await?;
        Ok(found.keys)
    }

    /// Makes a key; an admin's key is needed.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// let key = client.native().create_key(&Default::default()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn create_key(&self, key: &NewKey) -> Result<CreatedKey> {
        self.request(Method::POST, &["keys"], "creating a key", Some(key), None).await
    }

    /// Revokes a key: from now on it opens nothing.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// client.native().revoke_key("key-04bdwfj7u22a1s30").await?;
    /// # Ok(()) }
    /// ```
    pub async fn revoke_key(&self, id: &str) -> Result<()> {
        let done: Result<Value> = self.request(Method::DELETE, &["keys", id], &format!("revoking key {id}"), None::<&()>, None).await;
        done.map(drop)
    }

    /// Ends every session and then the server; says how many sessions it ended.
    ///
    /// ```no_run
    /// # async fn example(client: roadstead_sdk::AgentBay) -> roadstead_sdk::Result<()> {
    /// println!("{} sessions ended", client.native().shutdown().await?);
    /// # Ok(()) }
    /// ```
    pub async fn shutdown(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Ended {
            #[serde(alias = "sessions_ended")]
            ended: u64,
        }
        let done: Ended = self.request(Method::POST, &["shutdown"], "shutting the server down", None::<&()>, None).await?;
        Ok(done.ended)
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        operation: &str,
        body: Option<&(impl Serialize + ?Sized)>,
        limit: Option<Duration>,
    ) -> Result<T> {
        let transport = &self.client.transport;
        let mut request = transport.native(method, path)?;
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = transport.send(request, operation, limit.unwrap_or(transport.timeout())).await?;
        read(operation, &answer)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read<T: DeserializeOwned>(operation: &str, answer: &Answer) -> Result<T> {
    if !(200..300).contains(&answer.status) {
        return Err(refusal(operation, answer));
    }
    // Deleting answers with no body at all.
    let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
    serde_json::from_slice(body).map_err(|error| Error::unexpected(operation, error.to_string(), None))
}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: String,
    #[serde(default)]
    request_id: Option<String>,
    /// Whether a tool inside the session failed, and not the server.
    #[serde(default)]
    tool: bool,
}

/// Why the server refused.
fn refusal(operation: &str, answer: &Answer) -> Error {
    let reason = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error).unwrap_or_else(|_| Reason {
        code: FOREIGN.to_owned(),
        message: "the answer is not a Roadstead server's".into(),
        request_id: None,
        tool: false,
    });
    if reason.tool {
        return Error::tool(operation, reason.message, reason.request_id.unwrap_or_default());
    }
    Error::from_api(ApiError {
        operation: operation.to_owned(),
        code: reason.code,
        message: reason.message,
        status: answer.status,
        request_id: reason.request_id,
    })
}

/// Whether it was not a Roadstead server that refused, so that the call must take another way.
pub(crate) fn is_foreign(error: &Error) -> bool {
    error.api().is_some_and(|api| api.code == FOREIGN)
}
