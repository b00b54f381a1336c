//! What every request can reach.

use crate::config::{GatewayConfig, Limits, Timeouts};
use crate::limits::Admission;
use crate::origin::Origin;
use crate::sign::Signer;
use control::Control;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{Clock, Entropy, Fault, ImageId};

/// The shared parts of the front door.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) control: Arc<Control>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) signer: Signer,
    /// How clients reach the API.
    pub(crate) public: Origin,
    /// Where the API listens without TLS, if it does.
    #[cfg_attr(not(feature = "agentbay"), expect(dead_code, reason = "only AgentBay's clients are told of it"))]
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) links: Origin,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) admission: Admission,
    /// Work that outlives its connection; waited for when the server stops.
    pub(crate) work: TaskTracker,
    /// Fires when the server begins to stop.
    pub(crate) draining: CancellationToken,
    /// Fires when a client asked the server to end.
    pub(crate) stop: CancellationToken,
    capabilities: Mutex<HashMap<ImageId, (Instant, Vec<types::Capability>)>>,
}

/// How the listeners are reached.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) public: Origin,
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) links: Origin,
}

/// How long an image's capabilities are believed without looking again: they change only when it is rebuilt.
const CAPABILITIES_LIFE: Duration = Duration::from_secs(10);

impl App {
    pub(crate) fn new(config: &GatewayConfig, control: Arc<Control>, Reach { public, plain, links }: Reach) -> Arc<Self> {
        Arc::new(Self {
            control,
            clock: config.clock.clone(),
            entropy: config.entropy.clone(),
            signer: Signer::new(config.secret),
            public,
            plain,
            links,
            limits: config.limits,
            timeouts: config.timeouts,
            admission: Admission::new(&config.limits),
            work: TaskTracker::new(),
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            capabilities: Mutex::default(),
        })
    }

    /// What an image can do; an unknown one is refused with the list of known ones.
    pub(crate) async fn capabilities(&self, image: &str) -> Result<Vec<types::Capability>, Fault> {
        if let Some(known) = self.remembered(image) {
            return Ok(known);
        }
        let images = self.control.images().await?;
        let now = Instant::now();
        let known: HashMap<_, _> = images.into_iter().map(|manifest| (manifest.id, (now, manifest.capabilities))).collect();
        let found = known.iter().find(|(id, _)| id.as_str() == image).map(|(_, (_, capabilities))| capabilities.clone());
        let found = found.ok_or_else(|| {
            let mut names: Vec<_> = known.keys().map(ImageId::as_str).collect();
            names.sort_unstable();
            let shown: String = image.chars().take(80).collect();
            Fault::invalid(format!("image {shown:?} is not on this host; it has: {}", names.join(", ")))
        });
        *self.capabilities.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = known;
        found
    }

    fn remembered(&self, image: &str) -> Option<Vec<types::Capability>> {
        let known = self.capabilities.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (_, (since, capabilities)) = known.iter().find(|(id, _)| id.as_str() == image)?;
        (since.elapsed() < CAPABILITIES_LIFE).then(|| capabilities.clone())
    }
}
