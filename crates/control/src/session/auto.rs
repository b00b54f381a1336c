//! Sessions that come into being because somebody works in them, under a name that the client chose.

use super::create;
use super::types::{CreateSession, SessionView};
use crate::OpContext;
use crate::engine::Engine;
use std::sync::Arc;
use types::{ErrorCode, Fault};

/// Longest name, bytes.
const MAX_NAME: usize = 256;
/// How often a session that ends just when it is wanted is replaced.
const MAX_TRIES: usize = 4;

/// The tenant's session called `name`, made as `request` says when there is none. Any number of callers at once get the
/// same one. A session made here ends, is listed and counts against the limits as any other.
pub(crate) async fn find_or_create(
    engine: &Arc<Engine>,
    cx: &OpContext,
    name: &str,
    request: &CreateSession,
) -> Result<SessionView, Fault> {
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Fault::invalid(format!("a session's name has at most {MAX_NAME} bytes and no control characters")));
    }
    for _ in 0..MAX_TRIES {
        if let Some(handle) = engine.sessions.find_alias(&cx.identity.tenant, name) {
            match handle.ready().await {
                Some(view) => return Ok(view),
                None => continue,
            }
        }
        let request = CreateSession { alias: Some(name.to_owned()), ..request.clone() };
        match create::create(engine, cx, request).await {
            // Somebody was faster.
            Err(_) if engine.sessions.find_alias(&cx.identity.tenant, name).is_some() => {}
            done => return done,
        }
    }
    Err(Fault::new(ErrorCode::Unavailable, format!("the session called {name:?} ended each time it was there; try again")))
}
