//! What the tests of this crate share: an engine on an empty database, over a runtime without a guest.

use crate::app::App;
use crate::config::GatewayConfig;
use crate::origin::Origin;
use async_trait::async_trait;
use control::{Control, ControlConfig, Identity, OpContext, Parts, SessionView};
use protocol::StreamOpen;
use runtime::{ByteStream, Runtime, RuntimeError, SandboxFacts, SandboxSpec};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::SqliteStore;
use types::{Capability, ClientInfo, Clock, Entropy, ImageManifest, Labels, NodeId, SandboxId, SandboxLimits, SessionState, Timestamp};

/// A clock that stands still.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }
}

/// Bytes that differ from call to call.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        out.iter_mut().zip(count.iter().cycle()).for_each(|(byte, from)| *byte = *from);
    }
}

/// Makes sandboxes that nobody can reach.
#[derive(Debug, Default)]
struct Hollow;

#[async_trait]
impl Runtime for Hollow {
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError> {
        Ok(vec![ImageManifest {
            id: "linux_latest".parse().unwrap(),
            os: "linux".into(),
            arch: "x86_64".into(),
            description: "for tests".into(),
            capabilities: vec![Capability::Shell, Capability::Filesystem],
            layers: Vec::new(),
            nested_user_namespaces: false,
            built_at: None,
        }])
    }

    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError> {
        Ok(SandboxFacts { id: spec.id, image: spec.image, host_pid: 1, uid_base: 100_000, layers: vec!["none".into()] })
    }

    async fn destroy(&self, _: &SandboxId) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn open_stream(&self, _: &SandboxId, _: &StreamOpen) -> Result<ByteStream, RuntimeError> {
        Err(RuntimeError::Unavailable { reason: "there is no guest in tests".into() })
    }

    async fn shutdown(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// An engine without sessions.
pub(crate) async fn control() -> Arc<Control> {
    let parts = Parts {
        store: Arc::new(SqliteStore::open_in_memory().await.unwrap()),
        runtime: Arc::new(Hollow),
        clock: Arc::new(Noon),
        entropy: Arc::new(Counter::default()),
        node: "node-test".parse::<NodeId>().unwrap(),
        config: ControlConfig::default(),
    };
    Control::start(parts).await.unwrap()
}

/// A configuration on free ports.
pub(crate) fn config(tls_dir: PathBuf) -> GatewayConfig {
    let mut config = GatewayConfig::new(tls_dir, [9; 32], Arc::new(Noon), Arc::new(Counter::default()));
    config.https.set_port(0);
    config.links.set_port(0);
    config
}

/// The shared parts of a front door that listens nowhere.
pub(crate) async fn app() -> Arc<App> {
    let links = Origin::new("links_url", None, 8444).unwrap();
    App::new(&config(PathBuf::from("/nonexistent")), control().await, links)
}

/// Somebody.
pub(crate) fn context() -> OpContext {
    let identity = Identity { tenant: "tenant-a234567a234567".parse().unwrap(), key: "key-a234567a234567".parse().unwrap(), admin: false };
    OpContext { identity, request: "req-1".parse().unwrap() }
}

/// Somebody's session, with a label that must be escaped everywhere.
pub(crate) fn view() -> SessionView {
    SessionView {
        id: "session-a234567a234567a234567".parse().unwrap(),
        state: SessionState::Running,
        image: "linux_latest".parse().unwrap(),
        labels: Labels::new([("env".to_owned(), "<b>&\"prod\"".to_owned())]).unwrap(),
        client: ClientInfo::default(),
        limits: SandboxLimits::default(),
        created_at: Noon.now(),
        active_at: Noon.now(),
        idle_timeout: Some(std::time::Duration::from_secs(1800)),
        expires_at: None,
        sandbox: None,
    }
}
