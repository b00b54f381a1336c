//! Listening, TLS, serving and stopping.

mod connection;
mod place;

use crate::app::{App, Reach};
use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::origin::Origin;
use crate::tls::Certificates;
use connection::{Door, Listener};
use control::Control;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where a bound front door can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// API with TLS.
    pub https: SocketAddr,
    /// API without TLS.
    pub http: Option<SocketAddr>,
    /// Links into sessions.
    pub links: SocketAddr,
    /// Base URL of the API for clients, without a slash at the end.
    pub public_url: String,
    /// Base URL of links, without a slash at the end.
    pub links_url: String,
    /// The file with the authority that clients must trust.
    pub ca_pem: PathBuf,
}

/// What stopping came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections and requests that had not ended when the time for it was over.
    pub unfinished: usize,
}

/// A front door whose addresses are taken and which is about to serve.
#[derive(Debug)]
pub struct Gateway {
    app: Arc<App>,
    listeners: Vec<Listener>,
    certificates: Arc<Certificates>,
    addresses: Addresses,
}

/// How often the certificate is looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(12 * 3600);

/// Takes the addresses and makes or loads the certificate. Nothing is served before [`Gateway::serve`].
pub async fn bind(config: GatewayConfig, control: Arc<Control>) -> Result<Gateway, GatewayError> {
    config.check()?;
    let (https, https_address) = listen("https", config.https).await?;
    let http = match config.http {
        Some(address) => Some(listen("http", address).await?),
        None => None,
    };
    let (links, links_address) = listen("links", config.links).await?;

    let public = Origin::new("public_url", config.public_url.as_ref(), https_address.port())?;
    let links_origin = Origin::new("links_url", config.links_url.as_ref(), links_address.port())?;
    let mut names = config.tls_names.clone();
    names.extend([public.host().to_owned(), links_origin.host().to_owned()]);
    let (certificates, identity) = Certificates::open(config.tls_dir.clone(), names, config.clock.now())?;
    let tls = TlsAcceptor::from(certificates.server_config()?);

    let addresses = Addresses {
        https: https_address,
        http: http.as_ref().map(|(_, address)| *address),
        links: links_address,
        public_url: public.http().to_owned(),
        links_url: links_origin.http().to_owned(),
        ca_pem: identity.ca_pem,
    };
    let app = App::new(&config, control, Reach { public, plain: addresses.http, links: links_origin });
    let mut listeners = vec![Listener::new(https, Some(tls.clone()), Door::Api), Listener::new(links, Some(tls), Door::Links)];
    listeners.extend(http.map(|(socket, _)| Listener::new(socket, None, Door::Api)));
    Ok(Gateway { app, listeners, certificates, addresses })
}

impl Gateway {
    /// Where it can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Ends when a client with an admin key asked the server to end (`POST /v1/shutdown`). Every session is gone by
    /// then; the composition root is to stop serving.
    pub fn stop_requested(&self) -> impl Future<Output = ()> + Send + use<> {
        self.app.stop.clone().cancelled_owned()
    }

    /// Serves until `shutdown` ends, then takes no new connection, lets running requests end within
    /// [`crate::Timeouts::drain`], and returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> DrainReport {
        let Self { app, listeners, certificates, .. } = self;
        let connections = TaskTracker::new();
        let kill = CancellationToken::new();
        for listener in listeners {
            connections.spawn(listener.run(app.clone(), connections.clone(), kill.clone()));
        }
        connections.spawn(keep_certificate(app.clone(), certificates));

        shutdown.await;
        app.draining.cancel();
        connections.close();
        app.work.close();
        let all = async { tokio::join!(connections.wait(), app.work.wait()) };
        // When time is over, what is left is counted and cut off.
        let _ = tokio::time::timeout(app.timeouts.drain, all).await;
        let unfinished = connections.len() + app.work.len();
        kill.cancel();
        DrainReport { unfinished }
    }
}

async fn listen(purpose: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), GatewayError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => GatewayError::AddressInUse { purpose, address },
        _ => GatewayError::Bind { purpose, address, source },
    };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

async fn keep_certificate(app: Arc<App>, certificates: Arc<Certificates>) {
    let mut ticks = tokio::time::interval(CERTIFICATE_CHECK);
    loop {
        tokio::select! {
            () = app.draining.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = certificates.refresh(app.clock.now()) {
            tracing::error!(error = &error as &dyn std::error::Error, "the server's certificate could not be renewed");
        }
    }
}

#[cfg(test)]
mod tests;
