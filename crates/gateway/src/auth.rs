//! From a bearer text to the one who holds it.

use crate::app::App;
use crate::limits::Share;
use crate::request::Trail;
use control::OpContext;
use types::{ErrorCode, Fault};

/// Checks `Bearer <key>`, names who asks and takes a part of their share, to be kept until the answer is there. `None`
/// means the request carried nothing.
pub(crate) async fn admit(app: &App, trail: &Trail, bearer: Option<&str>) -> Result<(OpContext, Share), Fault> {
    let key = bearer.and_then(key_of).ok_or_else(|| {
        Fault::new(ErrorCode::Unauthenticated, "no API key: send `Authorization: Bearer <key>`; `roadstead env` prints a key for SDKs")
    })?;
    let identity = app.control.authenticate(key).await?;
    trail.identity(&identity);
    let share = app.admission.share(&identity.tenant)?;
    Ok((OpContext { identity, request: trail.request().clone() }, share))
}

/// The key in `Bearer <key>`; the scheme's case does not matter.
fn key_of(bearer: &str) -> Option<&str> {
    let (scheme, key) = bearer.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::key_of;

    #[test]
    fn only_a_bearer_with_a_key_counts() {
        assert_eq!(key_of("Bearer akm-1"), Some("akm-1"));
        assert_eq!(key_of(" bearer  akm-1 "), Some("akm-1"));
        for bad in ["", "akm-1", "Bearer", "Bearer ", "Basic akm-1"] {
            assert_eq!(key_of(bad), None, "{bad:?}");
        }
    }
}
