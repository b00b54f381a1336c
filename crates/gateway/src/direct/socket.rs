//! A session's WebSocket: streamed code, terminals and watched directories over one connection.
//!
//! | part | file |
//! |---|---|
//! | one connection from its handshake to its end, and why it ends | `connection` |
//! | what is said, as JSON | `frame` |
//! | what waits to be sent, bounded | `outbox` |
//! | the methods | `code`, `terminal`, `watch` |
//!
//! What runs in the session belongs to the guest: code goes on to its end and terminals live on when the connection goes,
//! whoever ended it. A client that does not read stops what is sent to it, down to the program that writes, and is let go
//! after a time; nothing of it is held beyond the outbox.

mod code;
mod connection;
mod frame;
mod outbox;
mod peer;
mod terminal;
mod watch;

use super::call::refuse;
use super::refusal::Refusal;
use super::token;
use crate::app::App;
use crate::request::Trail;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use types::{ErrorCode, Fault};

/// Longest message taken from a client, bytes.
const MAX_INCOMING: usize = 2 << 20;

/// Answers a handshake; the connection then lives in a task of its own.
pub(super) async fn open(app: &Arc<App>, trail: &Trail, mut request: Request<Body>) -> Result<Response<Body>, Refusal> {
    trail.action("socket");
    let holder = token::admit(app, trail, token::in_headers(request.headers())).await.map_err(|fault| refuse(trail, &fault))?;
    let session_end = app.control.session_end(&holder.cx, &holder.session).map_err(|fault| refuse(trail, &fault))?;
    let accept = accept(request.headers())?;
    if app.draining.is_cancelled() {
        return Err(refuse(trail, &Fault::new(ErrorCode::Unavailable, "the server is stopping; try again when it is back")));
    }
    let place = app.admission.request().map_err(|fault| refuse(trail, &fault))?;
    let upgrading = hyper::upgrade::on(&mut request);
    let peer_app = app.clone();
    app.work.spawn(async move {
        let upgraded = match tokio::time::timeout(peer_app.timeouts.handshake, upgrading).await {
            Ok(Ok(upgraded)) => upgraded,
            Ok(Err(error)) => return tracing::debug!(%error, "a socket's handshake failed"),
            Err(_) => return tracing::debug!("a socket's handshake timed out"),
        };
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_INCOMING)).max_frame_size(Some(MAX_INCOMING));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
        connection::run(peer_app, holder.cx, holder.session, session_end, socket).await;
        drop((place, holder.share));
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The proof that a handshake was understood.
fn accept(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let has = |name: header::HeaderName, wanted: &str| {
        let texts = headers.get_all(name).iter().filter_map(|text| text.to_str().ok());
        texts.flat_map(|text| text.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let upgrade = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket") && has(header::SEC_WEBSOCKET_VERSION, "13");
    match headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| upgrade) {
        Some(key) => Ok(HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 fits into a header")),
        None => Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", "this address is a WebSocket of version 13")),
    }
}
