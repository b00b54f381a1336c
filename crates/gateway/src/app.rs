//! What every request can reach.

use crate::config::{GatewayConfig, Limits, Timeouts};
use crate::limits::Admission;
use crate::origin::Origin;
use crate::sign::Signer;
use control::Control;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{Clock, Entropy};

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
}

/// How the listeners are reached.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) public: Origin,
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) links: Origin,
}

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
        })
    }
}
