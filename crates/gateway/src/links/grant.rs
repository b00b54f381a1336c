//! What a link allows.

use crate::app::App;
use crate::sign::Purpose;
use control::{Identity, OpContext, SessionView};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{KeyId, RequestId, SessionId, TenantId, Timestamp};

/// The claims of a signed link. The names are short because they stand in URLs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Whose session it is.
    #[serde(rename = "t")]
    pub(crate) tenant: TenantId,
    /// Which key asked for the link.
    #[serde(rename = "k")]
    pub(crate) key: KeyId,
    /// Which session.
    #[serde(rename = "s")]
    pub(crate) session: SessionId,
    /// Which port inside; none for the page with a session's facts.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// When it ends, Unix seconds.
    #[serde(rename = "e")]
    pub(crate) expires: i64,
}

impl Grant {
    /// A link to a port; it ends after `life`, or with its session if that is known to end earlier.
    pub(crate) fn port(cx: &OpContext, view: &SessionView, port: u16, now: Timestamp, life: Duration) -> Self {
        Self::new(cx, view, Some(port), now, life)
    }

    /// A link to the page with a session's facts.
    pub(crate) fn page(cx: &OpContext, view: &SessionView, now: Timestamp, life: Duration) -> Self {
        Self::new(cx, view, None, now, life)
    }

    fn new(cx: &OpContext, view: &SessionView, port: Option<u16>, now: Timestamp, life: Duration) -> Self {
        let end = now.as_second().saturating_add(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
        let expires = view.expires_at.map_or(end, |session_end| end.min(session_end.as_second()));
        Self { tenant: cx.identity.tenant.clone(), key: cx.identity.key.clone(), session: view.id.clone(), port, expires }
    }

    /// Whether it has not ended.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires
    }

    /// Who a visitor acts for: the link's maker, without what an admin may.
    pub(crate) fn context(&self, request: &RequestId) -> OpContext {
        let identity = Identity { tenant: self.tenant.clone(), key: self.key.clone(), admin: false };
        OpContext { identity, request: request.clone() }
    }
}

/// The URL of a link to a port.
pub(crate) fn port_url(app: &App, grant: &Grant, web_socket: bool) -> String {
    let base = if web_socket { app.links.web_socket() } else { app.links.http() };
    format!("{base}/l/{}/", app.signer.sign(Purpose::Link, grant))
}

/// The URL of the page with a session's facts.
pub(crate) fn page_url(app: &App, grant: &Grant) -> String {
    format!("{}/r/{}", app.links.http(), app.signer.sign(Purpose::Page, grant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_link_is_bound_to_its_session_port_and_time() {
        let app = testing::app().await;
        let (cx, view) = (testing::context(), testing::view());
        let now = app.clock.now();
        let grant = Grant::port(&cx, &view, 30100, now, Duration::from_secs(3600));
        assert!(grant.holds(now));
        assert!(!grant.holds(now + jiff::SignedDuration::from_secs(3600)));

        let url = port_url(&app, &grant, false);
        let token = url.strip_prefix("https://localhost:8444/l/").unwrap().strip_suffix('/').unwrap();
        assert_eq!(app.signer.open::<Grant>(Purpose::Link, token).unwrap(), grant);
        assert!(port_url(&app, &grant, true).starts_with("wss://localhost:8444/l/"));

        // Another session's claims under this signature do not open.
        let other = Grant { session: "session-other".parse().unwrap(), ..grant };
        let forged = app.signer.sign(Purpose::Link, &other);
        let (claims, signature) = (forged.split('.').next().unwrap(), token.split('.').nth(1).unwrap());
        assert!(app.signer.open::<Grant>(Purpose::Link, &format!("{claims}.{signature}")).is_err());
        assert!(app.signer.open::<Grant>(Purpose::Page, token).is_err(), "a link is no page");
    }

    #[tokio::test]
    async fn a_link_never_outlives_a_session_whose_end_is_known() {
        let app = testing::app().await;
        let now = app.clock.now();
        let view = SessionView { expires_at: Some(now + jiff::SignedDuration::from_secs(60)), ..testing::view() };
        let grant = Grant::port(&testing::context(), &view, 30100, now, Duration::from_secs(3600));
        assert_eq!(grant.expires, now.as_second() + 60);
    }

    #[test]
    fn visitors_are_no_admins() {
        let mut cx = testing::context();
        cx.identity.admin = true;
        let grant = Grant::page(&cx, &testing::view(), Timestamp::UNIX_EPOCH, Duration::from_secs(1));
        assert!(!grant.context(&cx.request).identity.admin);
    }
}
