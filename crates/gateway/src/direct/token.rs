//! The token that opens one session.
//!
//! It names tenant, key and session, and is signed. It has no end of its own: it dies with its session and with the key
//! that it was given out for, and the same key is always given the same one.

use crate::app::App;
use crate::limits::Share;
use crate::request::Trail;
use crate::sign::Purpose;
use control::{Identity, OpContext};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use types::{ErrorCode, Fault, KeyId, SessionId, TenantId};

/// The header that carries it.
const HEADER: &str = "x-access-token";

/// What a token says. The names are short because it stands in every request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "t")]
    tenant: TenantId,
    #[serde(rename = "k")]
    key: KeyId,
    #[serde(rename = "s")]
    session: SessionId,
}

/// Who holds a valid token, and for which session.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) cx: OpContext,
    pub(super) session: SessionId,
    /// A part of the tenant's share of requests, kept until dropped.
    pub(super) share: Share,
}

/// The token with which the caller's key opens `session`.
pub(crate) fn issue(app: &App, cx: &OpContext, session: &SessionId) -> String {
    let Identity { tenant, key, .. } = cx.identity.clone();
    app.signer.sign(Purpose::Session, &Claims { tenant, key, session: session.clone() })
}

/// The token in a request's headers.
pub(super) fn in_headers(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|token| !token.is_empty())
}

/// Checks a token. Whether its session still lives is not asked here.
pub(super) async fn admit(app: &App, trail: &Trail, token: Option<&str>) -> Result<Holder, Fault> {
    let refused = |text: &str| Fault::new(ErrorCode::Unauthenticated, text);
    let token = token.ok_or_else(|| refused("no token: send the session's token as the header X-Access-Token"))?;
    let claims = app.signer.open::<Claims>(Purpose::Session, token);
    let Claims { tenant, key, session } = claims.map_err(|_| refused("this token was not made by this server, or it is not complete"))?;
    let cx = OpContext { identity: Identity { tenant, key, admin: false }, request: trail.request().clone() };
    trail.identity(&cx.identity);
    trail.session(&session);
    app.control.check_not_revoked(&cx.identity.tenant, &cx.identity.key).await?;
    let share = app.admission.share(&cx.identity.tenant)?;
    Ok(Holder { cx, session, share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, World};

    #[tokio::test]
    async fn a_token_is_always_the_same_for_one_key_and_session_and_is_not_the_key() {
        let world = World::new().await;
        let (app, cx) = (&world.app, testing::context());
        let (one, other): (SessionId, SessionId) = ("session-one".parse().unwrap(), "session-other".parse().unwrap());
        let token = issue(app, &cx, &one);
        assert_eq!(token, issue(app, &cx, &one));
        assert_ne!(token, issue(app, &cx, &other));
        let mut second = cx.clone();
        second.identity.key = "key-b234567b234567".parse().unwrap();
        assert_ne!(token, issue(app, &second, &one));
        assert!(!token.contains(&world.key) && http::HeaderValue::from_str(&token).is_ok());
    }

    #[tokio::test]
    async fn tokens_of_other_purposes_and_of_revoked_keys_open_nothing() {
        let world = World::new().await;
        let app = &world.app;
        let cx = OpContext { identity: app.control.authenticate(&world.key).await.unwrap(), request: "req-1".parse().unwrap() };
        let session: SessionId = "session-one".parse().unwrap();
        let trail = Trail::start("direct", &*app.entropy);
        let check = async |token: Option<&str>| admit(app, &trail, token).await.map(|holder| holder.session).map_err(|fault| fault.code());

        let token = issue(app, &cx, &session);
        assert_eq!(check(Some(&token)).await, Ok(session.clone()));
        assert!(!admit(app, &trail, Some(&token)).await.unwrap().cx.identity.admin, "a token manages no keys");
        let claims = Claims { tenant: cx.identity.tenant.clone(), key: cx.identity.key.clone(), session: session.clone() };
        let link = app.signer.sign(Purpose::Link, &claims);
        let stranger = issue(app, &testing::context(), &session);
        for bad in [None, Some(""), Some("x"), Some(world.key.as_str()), Some(&link), Some(&stranger)] {
            assert_eq!(check(bad).await, Err(ErrorCode::Unauthenticated), "{bad:?}");
        }
    }
}
