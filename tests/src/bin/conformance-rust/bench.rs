//! What a scenario works with: the SDK, the plain protocol as the second path, the shared session.

use anyhow::{Context, Result, ensure};
use futures::future::BoxFuture;
use roadstead_sdk::{AgentBay, CreateSessionParams, Error, Session};
use std::env::var;
use std::time::{Duration, Instant};
use tests::Rpc;
use tokio::sync::Mutex;

/// One scenario.
pub(crate) type Scenario = fn(&Bench) -> BoxFuture<'_, Result<()>>;

/// A table of `("id", function)` from `id => function` lines.
macro_rules! scenarios {
    ($($id:literal => $function:ident),+ $(,)?) => {
        pub(crate) const SCENARIOS: &[(&str, crate::bench::Scenario)] = &[$(($id, |bench| Box::pin($function(bench)))),+];
    };
}
pub(crate) use scenarios;

/// The SDK's client and the second path.
pub(crate) struct Bench {
    pub(crate) client: AgentBay,
    pub(crate) plain: Rpc,
    pub(crate) column: String,
    shared: Mutex<Option<Session>>,
    extra: Mutex<Vec<String>>,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        let url = var("ROADSTEAD_CONFORMANCE_URL").context("ROADSTEAD_CONFORMANCE_URL")?;
        let key = var("AGENTBAY_API_KEY").context("AGENTBAY_API_KEY")?;
        Ok(Self {
            client: AgentBay::from_env()?,
            plain: Rpc::at(&url, &key)?,
            column: var("ROADSTEAD_CONFORMANCE_COLUMN").unwrap_or_else(|_| "by-hand".into()),
            shared: Mutex::default(),
            extra: Mutex::default(),
        })
    }

    /// Parameters with the column's label.
    pub(crate) fn params(&self) -> CreateSessionParams {
        CreateSessionParams::new().label("conformance", &self.column)
    }

    /// A session of the scenario's own; it is deleted afterwards if the scenario did not do it.
    pub(crate) async fn create(&self, params: CreateSessionParams) -> Result<Session> {
        let session = self.client.create(params).await?.into_value();
        self.extra.lock().await.push(session.id().to_owned());
        Ok(session)
    }

    /// The shared session.
    pub(crate) async fn session(&self) -> Result<Session> {
        let mut shared = self.shared.lock().await;
        if let Some(session) = &*shared {
            return Ok(session.clone());
        }
        let session = self.client.create(self.params()).await?.into_value();
        *shared = Some(session.clone());
        Ok(session)
    }

    /// An empty directory in it for a scenario.
    pub(crate) async fn folder(&self, name: &str) -> Result<(Session, String)> {
        let session = self.session().await?;
        let path = format!("/tmp/conformance/{name}");
        self.plain.stdout(session.id(), &format!("rm -rf {path} && mkdir -p {path}")).await?;
        Ok((session, path))
    }

    /// Standard output of a command, by the plain protocol.
    pub(crate) async fn sh(&self, session: &Session, command: &str) -> Result<String> {
        self.plain.stdout(session.id(), command).await
    }

    /// Whether the server still knows a session.
    pub(crate) async fn exists(&self, id: &str) -> Result<bool> {
        let answer = self.plain.ask("GetSession", &[("SessionId", id)]).await?;
        ensure!(answer.status == 200 || answer.body["Code"] == "InvalidMcpSession.NotFound", "{answer:?}");
        Ok(answer.status == 200)
    }

    /// Ends what the scenario left; after a failure the shared session too.
    pub(crate) async fn tidy(&self, broken: bool) {
        let mut leaving = std::mem::take(&mut *self.extra.lock().await);
        if broken {
            leaving.extend(self.shared.lock().await.take().map(|session| session.id().to_owned()));
        }
        for id in leaving {
            let _ = self.plain.ask("ReleaseMcpSession", &[("SessionId", &id)]).await;
        }
    }
}

/// That a call was refused in these words.
pub(crate) fn refused<T>(result: roadstead_sdk::Result<T>, words: &str) -> Result<Error> {
    let Err(error) = result else { anyhow::bail!("it claims success") };
    ensure!(error.to_string().to_lowercase().contains(&words.to_lowercase()), "not {words:?}: {error}");
    Ok(error)
}

/// Asks until it is so, at most 30 s.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(what: &str, mut condition: impl FnMut() -> F) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition().await? {
        ensure!(Instant::now() < end, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
