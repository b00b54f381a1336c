//! What the tests of this crate share: a front door over simulated sandboxes, and values.

use crate::app::{App, Reach};
use crate::config::{GatewayConfig, Limits, Timeouts};
use crate::origin::Origin;
use async_trait::async_trait;
use axum::body::Body;
use control::{Control, ControlConfig, Guests, Identity, OpContext, Parts, SessionView, ToolGuest};
use http::Response;
use http_body_util::BodyExt;
use protocol::{CallMeta, StreamOpen, ToolOutcome};
use runtime::sim::SimRuntime;
use runtime::{ByteStream, Runtime, RuntimeError, SandboxFacts, SandboxSpec, SandboxUsage};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::objects::ObjectsLocation;
use store::{Objects, SqliteStore};
use tokio::sync::{Semaphore, watch};
use types::{
    Capability, ClientInfo, Clock, Entropy, ImageId, ImageManifest, Labels, NodeId, SandboxId, SandboxLimits, SessionState, Timestamp,
};

/// A clock that stands still at noon, until it is moved.
#[derive(Debug, Default)]
pub(crate) struct Noon {
    seconds_later: AtomicU64,
}

impl Noon {
    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.seconds_later.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        let noon: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        noon + std::time::Duration::from_secs(self.seconds_later.load(Ordering::Relaxed))
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

/// Guests whose tools answer with a canned result: `shell` ends as its command line says (`exit N`, `sleep-ms N`, `wait` or
/// anything else), every other tool returns its arguments.
#[derive(Debug)]
pub(crate) struct Canned {
    gate: Semaphore,
    begun: watch::Sender<usize>,
    ended: watch::Sender<usize>,
}

impl Canned {
    /// Lets one command `wait` end.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until so many commands `wait` have begun.
    pub(crate) async fn begun(&self, count: usize) {
        self.begun.subscribe().wait_for(|begun| *begun == count).await.unwrap();
    }

    /// How many commands have ended.
    pub(crate) fn ended(&self) -> usize {
        *self.ended.borrow()
    }

    /// Waits until so many commands have ended.
    pub(crate) async fn all_ended(&self, count: usize) {
        self.ended.subscribe().wait_for(|ended| *ended == count).await.unwrap();
    }
}

/// One of them.
#[derive(Debug)]
struct CannedGuest(Arc<Canned>);

#[async_trait]
impl ToolGuest for CannedGuest {
    async fn call_tool(&self, call: &CallMeta, name: &str, arguments: Value) -> Result<ToolOutcome, RuntimeError> {
        if name != "shell" {
            return Ok(Ok(arguments));
        }
        let command = arguments["command"].as_str().unwrap_or_default();
        let exit_code: i32 = command.strip_prefix("exit ").map_or(0, |code| code.parse().unwrap());
        if let Some(ms) = command.strip_prefix("sleep-ms ") {
            tokio::time::sleep(std::time::Duration::from_millis(ms.parse().unwrap())).await;
        }
        if command == "wait" {
            self.0.begun.send_modify(|begun| *begun += 1);
            self.0.gate.acquire().await.unwrap().forget();
        }
        self.0.ended.send_modify(|ended| *ended += 1);
        let stderr = if exit_code == 0 { "" } else { "failed\n" };
        Ok(Ok(json!({ "stdout": format!("{}:{command}\n", call.user.name()), "stderr": stderr, "exit_code": exit_code })))
    }
}

#[derive(Debug)]
struct CannedGuests(Arc<Canned>);

impl Guests for CannedGuests {
    fn guest(&self, _: &SandboxId) -> Arc<dyn ToolGuest> {
        Arc::new(CannedGuest(self.0.clone()))
    }
}

/// What sandboxes answer to streams; `None` leaves it to the simulation.
pub(crate) type Script = fn(&StreamOpen) -> Option<ByteStream>;

/// The simulation, with streams that answer.
#[derive(Debug)]
struct Scripted {
    sim: Arc<SimRuntime>,
    script: Script,
}

#[async_trait]
impl Runtime for Scripted {
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError> {
        self.sim.images().await
    }

    async fn images_being_built(&self) -> Vec<ImageId> {
        self.sim.images_being_built().await
    }

    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError> {
        self.sim.create(spec).await
    }

    async fn destroy(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.sim.destroy(id).await
    }

    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        self.sim.list().await
    }

    async fn open_stream(&self, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError> {
        match (self.script)(open) {
            Some(stream) => Ok(stream),
            None => self.sim.open_stream(id, open).await,
        }
    }

    async fn usage(&self, id: &SandboxId) -> Result<SandboxUsage, RuntimeError> {
        self.sim.usage(id).await
    }

    async fn shutdown(&self) -> Result<(), RuntimeError> {
        self.sim.shutdown().await
    }
}

/// A front door that listens nowhere, over an engine of simulated sandboxes.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) runtime: Arc<SimRuntime>,
    pub(crate) guest: Arc<Canned>,
    pub(crate) clock: Arc<Noon>,
    /// Where the objects lie.
    _objects: Arc<tempfile::TempDir>,
    /// The text of the first (admin) key.
    pub(crate) key: String,
}

/// An image with commands and files, and what else it can do.
fn image(id: &str, more: &[Capability]) -> ImageManifest {
    ImageManifest {
        id: id.parse().unwrap(),
        os: "linux".into(),
        arch: "x86_64".into(),
        description: "for tests".into(),
        capabilities: [&[Capability::Shell, Capability::Filesystem], more].concat(),
        layers: Vec::new(),
        nested_user_namespaces: false,
        built_at: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Timeouts::default(), |_| None).await
    }

    /// One with other time limits, whose sandboxes answer streams as `script` says.
    pub(crate) async fn with(timeouts: Timeouts, script: Script) -> Self {
        Self::limited(Limits::default(), timeouts, script).await
    }

    /// One with other limits too.
    pub(crate) async fn limited(limits: Limits, timeouts: Timeouts, script: Script) -> Self {
        let runtime = Arc::new(SimRuntime::new(vec![image("linux_latest", &[]), image("code_latest", &[Capability::Code])]));
        let guest = Arc::new(Canned { gate: Semaphore::new(0), begun: watch::Sender::new(0), ended: watch::Sender::new(0) });
        let (clock, objects) = (Arc::new(Noon::default()), tempfile::tempdir().unwrap());
        let parts = Parts {
            store: Arc::new(SqliteStore::open_in_memory().await.unwrap()),
            objects: Objects::open(&ObjectsLocation::Directory(objects.path().to_owned())).unwrap(),
            runtime: Arc::new(Scripted { sim: runtime.clone(), script }),
            clock: clock.clone(),
            entropy: Arc::new(Counter::default()),
            node: "node-test".parse::<NodeId>().unwrap(),
            config: ControlConfig::default(),
        };
        let control = Control::start_with_guests(parts, Arc::new(CannedGuests(guest.clone()))).await.unwrap();
        let key = control.first_key().await.unwrap().unwrap().text;
        let reach = Reach {
            public: Origin::new("public_url", None, 8443).unwrap(),
            plain: Some("127.0.0.1:8080".parse().unwrap()),
            links: Origin::new("links_url", None, 8444).unwrap(),
        };
        let config = GatewayConfig { limits, timeouts, clock: clock.clone(), ..config(PathBuf::from("/nonexistent")) };
        Self { app: App::new(&config, control, reach), runtime, guest, clock, _objects: Arc::new(objects), key }
    }
}

/// The status and the whole body of an answer.
pub(crate) async fn told(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A configuration on free ports.
pub(crate) fn config(tls_dir: PathBuf) -> GatewayConfig {
    let mut config = GatewayConfig::new(tls_dir, [9; 32], Arc::<Noon>::default(), Arc::new(Counter::default()));
    config.https.set_port(0);
    config.links.set_port(0);
    config
}

/// The shared parts alone.
pub(crate) async fn app() -> Arc<App> {
    World::new().await.app
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
        created_at: Noon::default().now(),
        active_at: Noon::default().now(),
        idle_timeout: Some(std::time::Duration::from_secs(1800)),
        expires_at: None,
        sandbox: None,
    }
}

/// Fails unless COMPATIBILITY.md has exactly this text in it, and says what it should have.
pub(crate) fn check_document(table: &str) {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../COMPATIBILITY.md")).unwrap();
    assert!(document.contains(table), "COMPATIBILITY.md lacks this table:\n{table}");
}
