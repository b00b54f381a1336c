//! Listing: rows say which sessions there are, their owners say how they are now.

use super::types::{ListSessions, SessionPage, SessionView};
use crate::cursor::{Cursors, Filter};
use crate::engine::Engine;
use crate::{OpContext, fault};
use std::sync::Arc;
use store::{PageQuery, SessionRow};
use types::{Fault, ImageId, TenantId};

/// Most sessions on one page.
const MAX_PAGE: u32 = 100;

/// A page of live sessions, newest first.
pub(crate) async fn list(engine: &Arc<Engine>, cursors: &Cursors, cx: &OpContext, request: ListSessions) -> Result<SessionPage, Fault> {
    if !(1..=MAX_PAGE).contains(&request.limit) {
        return Err(Fault::invalid(format!("a page can hold 1 to {MAX_PAGE} sessions; got a limit of {}", request.limit)));
    }
    let tenant = &cx.identity.tenant;
    let filter = Filter { tenant, labels: &request.labels, state: request.state, image: request.image.as_deref() };
    let after = request.cursor.as_deref().map(|cursor| cursors.open(cursor, &filter)).transpose()?;
    let nothing = SessionPage { sessions: Vec::new(), total: 0, next_cursor: None };
    // What is being deleted is gone for its user; asking for it by name does not bring it back.
    if request.state.is_some_and(|state| !state.is_live()) {
        return Ok(nothing);
    }
    // A name that cannot be an image's has no sessions either.
    let Ok(image) = request.image.as_deref().map(str::parse::<ImageId>).transpose() else { return Ok(nothing) };
    let image = image.map(|name| engine.images.resolve(name));
    let query =
        PageQuery { labels: request.labels.clone(), states: request.state.into_iter().collect(), image, limit: request.limit, after };
    let page = engine.store.page_sessions(tenant, &query).await.map_err(|e| fault::store("listing sessions", e))?;
    let next_cursor = match page.rows.last() {
        Some(last) if page.more => Some(cursors.seal(last.created_at, &last.id, &filter)),
        _ => None,
    };
    let sessions = page.rows.into_iter().filter_map(|row| as_it_is_now(engine, tenant, row)).collect();
    Ok(SessionPage { sessions, total: page.total, next_cursor })
}

/// `None` for a session of this server that has ended though its row does not say so yet.
fn as_it_is_now(engine: &Engine, tenant: &TenantId, row: SessionRow) -> Option<SessionView> {
    match engine.sessions.find(tenant, &row.id) {
        Ok(handle) => Some(handle.view()),
        Err(_) if row.node == engine.node => None,
        Err(_) => Some(SessionView::of_row(row)),
    }
}
