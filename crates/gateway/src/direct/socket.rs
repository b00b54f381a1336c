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
use crate::web_socket::{self, Refused};
use axum::body::Body;
use http::{Request, Response, StatusCode};
use std::sync::Arc;

/// Answers a handshake; the connection then lives in a task of its own.
pub(super) async fn open(app: &Arc<App>, trail: &Trail, mut request: Request<Body>) -> Result<Response<Body>, Refusal> {
    trail.action("socket");
    let holder = token::admit(app, trail, token::in_headers(request.headers())).await.map_err(|fault| refuse(trail, &fault))?;
    let session_end = app.control.session_end(&holder.cx, &holder.session).map_err(|fault| refuse(trail, &fault))?;
    let serving = app.clone();
    web_socket::upgrade(app, &mut request, async move |socket| {
        connection::run(serving, holder.cx, holder.session, session_end, socket).await;
        drop(holder.share);
    })
    .map_err(|refused| match refused {
        Refused::NoHandshake => Refusal::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", Refused::NO_HANDSHAKE),
        Refused::Fault(fault) => refuse(trail, &fault),
    })
}

#[cfg(test)]
mod tests;
