//! Signed tokens: what the server once said, in a form only it can have said.
//!
//! `base64url(JSON claims) . base64url(HMAC-SHA-256)`. The purpose is part of what is signed, so that a token made for
//! one use is worth nothing for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A port inside a session.
    Link,
    /// The page with a session's facts.
    Page,
    /// `AuthCode` of a session's resource.
    AuthCode,
    /// `Ticket` of a session's resource.
    Ticket,
    /// The direct routes into one session.
    Session,
    /// One file in a context.
    File,
}

/// A text that this server did not sign for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token was not signed by this server for this purpose")]
pub(crate) struct Forged;

/// Holder of the secret.
pub(crate) struct Signer {
    secret: [u8; 32],
}

/// Longest text that is even looked at: a file's path of the longest kind, with every character escaped in JSON.
const MAX_TOKEN_LEN: usize = 8192;

impl Signer {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// A token that says `claims`, safe in a URL's path and in a cookie.
    pub(crate) fn sign(&self, purpose: Purpose, claims: &impl Serialize) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are plain structs of strings and numbers");
        let payload = URL_SAFE_NO_PAD.encode(claims);
        let signature = self.mac(purpose, &payload).finalize().into_bytes();
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a token says, once its signature has been checked in constant time.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Result<T, Forged> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Forged);
        }
        let (payload, signature) = token.split_once('.').ok_or(Forged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Forged)?;
        self.mac(purpose, payload).verify_slice(&signature).map_err(|_| Forged)?;
        let claims = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Forged)?;
        serde_json::from_slice(&claims).map_err(|_| Forged)
    }

    fn mac(&self, purpose: Purpose, payload: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(match purpose {
            Purpose::Link => b"roadstead link\n",
            Purpose::Page => b"roadstead page\n",
            Purpose::AuthCode => b"roadstead auth code\n",
            Purpose::Ticket => b"roadstead ticket\n",
            Purpose::Session => b"roadstead session\n",
            Purpose::File => b"roadstead file\n",
        });
        mac.update(payload.as_bytes());
        mac
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signed_text_opens_and_only_for_its_purpose() {
        let signer = Signer::new([7; 32]);
        let token = signer.sign(Purpose::Link, &("claims", 1));
        assert_eq!(signer.open::<(String, u8)>(Purpose::Link, &token), Ok(("claims".into(), 1)));

        let open = |signer: &Signer, purpose, token: &str| signer.open::<(String, u8)>(purpose, token);
        assert_eq!(open(&signer, Purpose::Page, &token), Err(Forged), "another purpose");
        assert_eq!(open(&Signer::new([8; 32]), Purpose::Link, &token), Err(Forged), "another secret");
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(open(&signer, Purpose::Link, &changed), Err(Forged), "changed at {at}");
        }
        for bad in ["", ".", "a.b", "no-dot", &"a".repeat(9000), &format!("{token}A")] {
            assert_eq!(open(&signer, Purpose::Link, bad), Err(Forged), "{bad}");
        }
    }
}
