//! Cursors of listings: opaque to clients, sealed so that one made up, altered, or given for another tenant or another
//! filter is refused.
//!
//! A cursor is base64url of the place it stands at and the first 16 bytes of HMAC-SHA-256 over that and the filter. The place
//! of a row is: created (8 bytes, big-endian nanoseconds), its id.

use crate::time;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use types::{Fault, Labels, SessionId, SessionState, TenantId, Timestamp};

const TAG: usize = 16;
const LONGEST_TEXT: usize = 2048;

/// What a cursor is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) labels: &'a Labels,
    pub(crate) state: Option<SessionState>,
    pub(crate) image: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn scope(&self) -> Vec<&'a [u8]> {
        let mut parts = vec![
            b"sessions".as_slice(),
            self.tenant.as_str().as_bytes(),
            self.state.map_or("", SessionState::as_str).as_bytes(),
            self.image.unwrap_or_default().as_bytes(),
        ];
        parts.extend(self.labels.iter().flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]));
        parts
    }
}

/// Seals and opens cursors.
pub(crate) struct Cursors {
    secret: [u8; 32],
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

impl Cursors {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The cursor that goes on after this session.
    pub(crate) fn seal(&self, created_at: Timestamp, id: &SessionId, filter: &Filter<'_>) -> String {
        self.seal_row(created_at, id.as_str(), &filter.scope())
    }

    /// Where the cursor stands.
    pub(crate) fn open(&self, text: &str, filter: &Filter<'_>) -> Result<(Timestamp, SessionId), Fault> {
        self.open_row(text, &filter.scope())
    }

    /// The cursor that goes on after a row, in the list that `scope` says.
    pub(crate) fn seal_row(&self, created_at: Timestamp, id: &str, scope: &[&[u8]]) -> String {
        self.seal_place([&time::to_ns(created_at).to_be_bytes()[..], id.as_bytes()].concat(), scope)
    }

    /// Where a cursor of [`Self::seal_row`] stands.
    pub(crate) fn open_row<T: std::str::FromStr>(&self, text: &str, scope: &[&[u8]]) -> Result<(Timestamp, T), Fault> {
        let place = self.open_place(text, scope)?;
        let row = place.split_first_chunk::<8>().and_then(|(created, id)| {
            let id = std::str::from_utf8(id).ok()?.parse().ok()?;
            Some((time::from_ns(i64::from_be_bytes(*created)), id))
        });
        row.ok_or_else(foreign)
    }

    /// The cursor that goes on after `place`, in the list that `scope` says.
    pub(crate) fn seal_place(&self, mut place: Vec<u8>, scope: &[&[u8]]) -> String {
        let tag = self.mac(&place, scope).finalize().into_bytes();
        place.extend_from_slice(&tag[..TAG]);
        BASE64URL_NOPAD.encode(&place)
    }

    /// Where a cursor of [`Self::seal_place`] stands.
    pub(crate) fn open_place(&self, text: &str, scope: &[&[u8]]) -> Result<Vec<u8>, Fault> {
        self.try_open(text, scope).ok_or_else(foreign)
    }

    fn try_open(&self, text: &str, scope: &[&[u8]]) -> Option<Vec<u8>> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (place, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        self.mac(place, scope).verify_truncated_left(tag).ok()?;
        Some(place.to_vec())
    }

    fn mac(&self, place: &[u8], scope: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        for part in std::iter::once(&place).chain(scope) {
            // With its length before it, no part can pass for the end of another.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

fn foreign() -> Fault {
    Fault::invalid(
        "the cursor is not one that this server gave for these filters; \
         repeat the filters of the first page, or start again without a cursor",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_where_it_was_sealed() {
        let labels = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()))).unwrap();
        let (tenant, other) = ("tenant-a".parse().unwrap(), "tenant-b".parse().unwrap());
        let (none, some) = (labels(&[]), labels(&[("a", "b")]));
        let filter = Filter { tenant: &tenant, labels: &some, state: Some(SessionState::Running), image: Some("x") };
        let (cursors, id) = (Cursors::new([7; 32]), "session-abc".parse::<SessionId>().unwrap());
        let at = Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap();
        let text = cursors.seal(at, &id, &filter);
        assert_eq!(cursors.open(&text, &filter).unwrap(), (at, id));

        let foreign = [
            Filter { tenant: &other, ..filter },
            Filter { labels: &none, ..filter },
            Filter { state: None, ..filter },
            Filter { image: None, ..filter },
        ];
        for filter in foreign {
            assert!(cursors.open(&text, &filter).is_err(), "{filter:?}");
        }
        assert!(Cursors::new([8; 32]).open(&text, &filter).is_err());
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(cursors.open(std::str::from_utf8(&altered).unwrap(), &filter).is_err());
        }
        for garbage in ["", "A", "!!", "10", &"A".repeat(22), &"A".repeat(5000)] {
            assert!(cursors.open(garbage, &filter).is_err(), "{garbage}");
        }
    }
}
