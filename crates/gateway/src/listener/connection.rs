//! One listener's connections: bounded in number, bounded in patience.

use super::place::Placed;
use crate::app::App;
use crate::dialect::{self, native::Native};
use crate::direct::{self, Direct};
use crate::front;
use crate::links::Links;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a listener leads to. Requests are routed by it before their path is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// The API dialects.
    Api,
    /// Pages and ports of sessions.
    Links,
}

/// A bound socket and what it is for.
pub(super) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    door: Door,
}

/// Pause after the kernel refused to hand over a connection (out of descriptors): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Listener {
    pub(super) fn new(socket: TcpListener, tls: Option<TlsAcceptor>, door: Door) -> Self {
        Self { socket, tls, door }
    }

    /// Accepts until the server stops.
    pub(super) async fn run(self, app: Arc<App>, connections: TaskTracker, kill: CancellationToken) {
        let places = Arc::new(Semaphore::new(app.limits.connections));
        loop {
            let accepted = tokio::select! {
                () = app.draining.cancelled() => return,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok(stream) => {
                    let connection = serve(app.clone(), self.door, self.tls.clone(), stream);
                    let kill = kill.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            () = kill.cancelled() => {}
                            () = connection => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> std::io::Result<Placed> {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, _) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Placed::new(stream, place))
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).field("tls", &self.tls.is_some()).field("door", &self.door).finish()
    }
}

pub(super) async fn serve(app: Arc<App>, door: Door, tls: Option<TlsAcceptor>, stream: Placed) {
    match tls {
        None => speak(app, door, stream).await,
        Some(tls) => match tokio::time::timeout(app.timeouts.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => speak(app, door, stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        },
    }
}

async fn speak(app: Arc<App>, door: Door, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let draining = app.draining.clone();
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(app.timeouts.idle);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(route(app, door, request.map(Body::new)).await) }
    });
    let connection = protocol.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn route(app: Arc<App>, door: Door, request: Request<Body>) -> Response<Body> {
    match door {
        Door::Links => front::pass::<Links>(app, request).await,
        Door::Api if is_native(request.uri().path()) => front::pass::<Native>(app, request).await,
        Door::Api if direct::serves(request.uri().path()) => front::pass::<Direct>(app, request).await,
        Door::Api => dialect::pass(app, request).await,
    }
}

fn is_native(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}
