//! What the engine's tasks share.

use crate::contexts::ContextWork;
use crate::guest::Guests;
use crate::images::Images;
use crate::session::registry::{Claims, Registry};
use crate::{ControlConfig, Parts};
use runtime::{Runtime, RuntimeError, SandboxFacts};
use std::sync::Arc;
use store::{MetadataStore, Objects};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use types::{Clock, Entropy, ErrorCode, Fault, NodeId};

/// What the engine is doing as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything.
    Serving,
    /// No new work; what runs may end.
    Draining,
    /// Every session is ended.
    Ending,
    /// Every task leaves; sessions stay as they are.
    Stopping,
}

/// The parts and what was built from them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) objects: Objects,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) guests: Arc<dyn Guests>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) node: NodeId,
    pub(crate) config: ControlConfig,
    pub(crate) images: Images,
    pub(crate) sessions: Arc<Registry>,
    pub(crate) claims: Claims,
    pub(crate) contexts: ContextWork,
    /// Work that goes on when its request's future is dropped.
    pub(crate) requests: TaskTracker,
    mode: watch::Sender<Mode>,
}

impl Engine {
    pub(crate) fn new(parts: Parts, guests: Arc<dyn Guests>) -> Self {
        let Parts { store, objects, runtime, clock, entropy, node, config } = parts;
        Self {
            images: Images::new(runtime.clone(), clock.clone(), &config),
            sessions: Arc::new(Registry::default()),
            claims: Claims::default(),
            contexts: ContextWork::new(&config.contexts),
            requests: TaskTracker::new(),
            mode: watch::Sender::new(Mode::Serving),
            store,
            objects,
            runtime,
            guests,
            clock,
            entropy,
            node,
            config,
        }
    }

    /// To see the mode and to wait for its change.
    pub(crate) fn mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    /// Changes the mode; it never goes back.
    pub(crate) fn enter(&self, mode: Mode) {
        self.mode.send_if_modified(|now| {
            let forward = mode as u8 > *now as u8;
            if forward {
                *now = mode;
            }
            forward
        });
    }

    /// The sandboxes that exist, within a bound of time.
    pub(crate) async fn sandboxes(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        let limit = self.config.timings.list;
        let silence = |_| RuntimeError::Unavailable { reason: format!("no list of sandboxes within {limit:?}") };
        tokio::time::timeout(limit, self.runtime.list()).await.map_err(silence)?
    }

    /// Refuses new work once the server is on its way out.
    pub(crate) fn check_serving(&self) -> Result<(), Fault> {
        if *self.mode.borrow() == Mode::Serving { Ok(()) } else { Err(going_away()) }
    }
}

/// Waits until every task is to leave.
pub(crate) async fn stopping(mode: &mut watch::Receiver<Mode>) {
    // An error means that the engine is gone, which comes to the same.
    let _ = mode.wait_for(|mode| *mode == Mode::Stopping).await;
}

/// The answer to work that comes while the server stops.
pub(crate) fn going_away() -> Fault {
    Fault::new(ErrorCode::Unavailable, "the server is stopping; try again when it is back")
}
