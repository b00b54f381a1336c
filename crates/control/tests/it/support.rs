//! The world the tests run in.

use async_trait::async_trait;
use control::{Control, ControlConfig, CreateSession, Guests, Identity, OpContext, Parts, SessionView, Timings, ToolCall, ToolGuest};
use protocol::{CallMeta, ToolOutcome};
use runtime::sim::SimRuntime;
use runtime::{Runtime, RuntimeError};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use store::objects::ObjectsLocation;
use store::{FailingStore, MetadataStore, Objects, SessionRow, SqliteStore};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use types::{Capability, Clock, Entropy, ErrorCode, Fault, ImageManifest, NodeId, RequestId, SandboxId, SessionId, Timestamp};

/// Everything that outlives one server: disk, sandboxes, time.
#[derive(Debug)]
pub(crate) struct World {
    dir: TempDir,
    pub(crate) runtime: Arc<SimRuntime>,
    pub(crate) guests: Arc<ScriptedGuests>,
    pub(crate) clock: Arc<ManualClock>,
    entropy: Arc<Seeded>,
    node: NodeId,
    pub(crate) config: ControlConfig,
}

/// One server in it.
pub(crate) struct Server {
    pub(crate) control: Arc<Control>,
    pub(crate) store: Arc<FailingStore<SqliteStore>>,
    /// An operation of the first (admin) key's holder.
    pub(crate) cx: OpContext,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = Arc::new(SimRuntime::new(vec![image("linux_latest", &[Capability::Shell])]));
        Self {
            dir: tempfile::tempdir().unwrap(),
            guests: Arc::new(ScriptedGuests(Arc::new(Script {
                runtime: runtime.clone(),
                started: Semaphore::new(0),
                gate: Semaphore::new(0),
            }))),
            runtime,
            clock: Arc::default(),
            entropy: Arc::default(),
            node: "node-a".parse().unwrap(),
            config: ControlConfig {
                timings: Timings {
                    clock_recheck: Duration::from_millis(2),
                    flush_period: Duration::from_millis(2),
                    reconcile_period: Duration::from_secs(3600),
                    retry_first: Duration::from_millis(1),
                    retry_max: Duration::from_millis(4),
                    drain: Duration::from_secs(5),
                    ..Timings::default()
                },
                ..ControlConfig::default()
            },
        }
    }

    /// A world and a server with the default settings of the tests.
    pub(crate) async fn with_server() -> (Self, Server) {
        let world = Self::new();
        let server = world.start().await;
        (world, server)
    }

    /// The objects on this world's disk.
    pub(crate) fn objects(&self) -> Objects {
        Objects::open(&ObjectsLocation::Directory(self.dir.path().join("objects"))).unwrap()
    }

    /// Where an object of the context lies on this world's disk.
    pub(crate) fn object(&self, cx: &OpContext, id: &types::ContextId, path: &str) -> std::path::PathBuf {
        self.dir.path().join(format!("objects/{}/{id}/files{path}", cx.identity.tenant))
    }

    /// Makes the objects of a context impossible to remove, until what it returns is dropped.
    pub(crate) fn block(&self, cx: &OpContext, id: &types::ContextId) -> Blocked {
        let place = self.object(cx, id, "").parent().unwrap().to_owned();
        let aside = self.dir.path().join("aside");
        // A file in its place cannot be removed as a directory.
        std::fs::rename(&place, &aside).unwrap();
        std::fs::write(&place, "").unwrap();
        Blocked { place, aside }
    }

    /// A server on this world's disk.
    pub(crate) async fn start(&self) -> Server {
        let store = Arc::new(FailingStore::new(SqliteStore::open(&self.dir.path().join("meta.db")).await.unwrap()));
        let parts = Parts {
            store: store.clone(),
            objects: self.objects(),
            runtime: self.runtime.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            node: self.node.clone(),
            config: self.config.clone(),
        };
        let control = Control::start_with_guests(parts, self.guests.clone()).await.unwrap();
        control.first_key().await.unwrap();
        let key = store.keys(None).await.unwrap().into_iter().find(|key| key.admin).unwrap();
        let cx = context(Identity { tenant: key.tenant, key: key.id, admin: key.admin });
        Server { control, store, cx }
    }
}

/// Objects that are out of reach.
pub(crate) struct Blocked {
    place: std::path::PathBuf,
    aside: std::path::PathBuf,
}

impl Drop for Blocked {
    fn drop(&mut self) {
        std::fs::remove_file(&self.place).unwrap();
        std::fs::rename(&self.aside, &self.place).unwrap();
    }
}

impl Server {
    /// A session with the given settings.
    pub(crate) async fn create(&self, request: CreateSession) -> SessionView {
        self.control.create_session(&self.cx, request).await.unwrap()
    }

    /// An operation of a fresh tenant's key that is no admin.
    pub(crate) async fn stranger(&self, tenant: &str) -> OpContext {
        let request = control::NewKeyRequest { tenant: Some(tenant.into()), name: "k".into(), admin: false };
        let key = self.control.create_key(&self.cx, request).await.unwrap();
        context(self.control.authenticate(&key.text).await.unwrap())
    }

    /// The session's row.
    pub(crate) async fn row(&self, id: &SessionId) -> SessionRow {
        self.store.session(&self.cx.identity.tenant, id).await.unwrap().unwrap()
    }

    /// Calls the shell with this command line.
    pub(crate) async fn shell(&self, id: &SessionId, command: &str) -> Result<ToolOutcome, Fault> {
        self.control.call_tool(&self.cx, id, shell(command)).await
    }
}

/// A `shell` call.
pub(crate) fn shell(command: &str) -> ToolCall {
    ToolCall { name: "shell".into(), arguments: serde_json::json!({ "command": command }), user: Default::default() }
}

pub(crate) fn context(identity: Identity) -> OpContext {
    OpContext { identity, request: "req-test".parse::<RequestId>().unwrap() }
}

pub(crate) fn image(name: &str, capabilities: &[Capability]) -> ImageManifest {
    ImageManifest {
        id: name.parse().unwrap(),
        os: "linux".into(),
        arch: "x86_64".into(),
        description: String::new(),
        capabilities: capabilities.to_vec(),
        layers: vec![],
        nested_user_namespaces: false,
        built_at: None,
    }
}

/// Waits for something that another task does by itself.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while !condition().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

#[track_caller]
pub(crate) fn assert_fault<T: std::fmt::Debug>(result: Result<T, Fault>, code: ErrorCode, text: &str) {
    let fault = result.expect_err("a refusal");
    assert_eq!(fault.code(), code, "{fault:?}");
    assert!(fault.message().contains(text), "{fault:?} does not say {text:?}");
}

/// Guests whose shell knows two commands: `hold` ends when the test lets it, anything else at once.
#[derive(Debug)]
pub(crate) struct ScriptedGuests(Arc<Script>);

#[derive(Debug)]
struct Script {
    runtime: Arc<SimRuntime>,
    started: Semaphore,
    gate: Semaphore,
}

#[derive(Debug)]
struct ScriptedGuest {
    sandbox: SandboxId,
    script: Arc<Script>,
}

impl ScriptedGuests {
    /// Waits until one more `hold` has begun.
    pub(crate) async fn held(&self) {
        self.0.started.acquire().await.unwrap().forget();
    }

    /// Lets `count` holds end.
    pub(crate) fn release(&self, count: usize) {
        self.0.gate.add_permits(count);
    }
}

impl Guests for ScriptedGuests {
    fn guest(&self, sandbox: &SandboxId) -> Arc<dyn ToolGuest> {
        Arc::new(ScriptedGuest { sandbox: sandbox.clone(), script: self.0.clone() })
    }
}

#[async_trait]
impl ToolGuest for ScriptedGuest {
    async fn call_tool(&self, _: &CallMeta, _: &str, arguments: serde_json::Value) -> Result<ToolOutcome, RuntimeError> {
        let exists = || self.script.runtime.alive().contains(&self.sandbox);
        if arguments["command"] == "break" {
            let source = std::io::ErrorKind::ConnectionReset.into();
            return Err(RuntimeError::Io { id: self.sandbox.clone(), doing: "testing", source });
        }
        if exists() && arguments["command"] == "hold" {
            self.script.started.add_permits(1);
            self.script.gate.acquire().await.expect("never closed").forget();
        }
        if exists() { Ok(Ok(arguments)) } else { Err(RuntimeError::NoSandbox(self.sandbox.clone())) }
    }
}

/// Time that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000_000_000))
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos().try_into().unwrap(), SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.0.load(SeqCst).into()).unwrap()
    }
}

/// Bytes that look random and are the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = mix(self.0.fetch_add(1, SeqCst)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// A number that looks unrelated to `n` (splitmix64).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The sandboxes that exist.
pub(crate) async fn alive(world: &World) -> usize {
    world.runtime.list().await.unwrap().len()
}
