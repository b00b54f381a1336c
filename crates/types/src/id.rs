//! Every identifier has its own type, so that one cannot be passed where another is meant.

use crate::Entropy;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ids look like {example:?}; got {got:?}")]
pub struct InvalidId {
    kind: &'static str,
    example: &'static str,
    got: String,
}

const MAX_ID_LEN: usize = 80;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $bytes:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A fresh, unguessable identifier.
            pub fn generate(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0u8; $bytes];
                entropy.fill(&mut bytes);
                Self(format!("{}{}", $prefix, data_encoding::BASE32_DNSSEC.encode(&bytes)))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            /// Accepts the prefix followed by lower-case letters, digits and dashes.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let well_formed = text.len() <= MAX_ID_LEN
                    && text.strip_prefix($prefix).is_some_and(|rest| {
                        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    });
                if well_formed {
                    Ok(Self(text.to_owned()))
                } else {
                    let got: String = text.chars().take(MAX_ID_LEN).collect();
                    Err(InvalidId { kind: $kind, example: concat!($prefix, "…"), got })
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// The customer's handle on a session.
    SessionId, "session", "session-", 15;
    /// What the runtime made for a session. A session that is made anew gets a new one.
    SandboxId, "sandbox", "sb-", 10;
    /// Named data that outlives sessions. The prefix is the one that official SDKs know.
    ContextId, "context", "SdkCtx-", 15;
    /// The owner of keys, sessions and data.
    TenantId, "tenant", "tenant-", 10;
    /// The public name of an API key; the key's text is never stored.
    KeyId, "key", "key-", 10;
    /// One request of a client, as it stands in answers and logs.
    RequestId, "request", "req-", 15;
    /// One tool call. Belongs to the guest from the moment it is accepted there.
    CallId, "call", "call-", 15;
    /// One server process's seat in the database.
    NodeId, "node", "node-", 10;
}

/// The name of an image, such as `linux_latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ImageId(String);

impl ImageId {
    /// The image name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ImageId {
    type Err = InvalidId;

    /// Accepts letters, digits, `_`, `-` and `.`, starting with a letter or digit, at most 80 bytes:
    /// a name that can stand as one path component.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let well_formed = text.len() <= MAX_ID_LEN
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId { kind: "image", example: "linux_latest", got: text.chars().take(MAX_ID_LEN).collect() })
        }
    }
}

impl std::fmt::Display for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ImageId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Zero;
    impl Entropy for Zero {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    #[test]
    fn generated_ids_parse_back() {
        let id = SessionId::generate(&Zero);
        assert_eq!(id.as_str().parse::<SessionId>().unwrap(), id);
        assert!(id.as_str().starts_with("session-"));
    }

    #[test]
    fn foreign_text_is_refused_with_an_example() {
        for bad in ["", "session-", "sb-abc", "session-../x", "session-A", "session-\0", &format!("session-{}", "a".repeat(100))] {
            let error = bad.parse::<SessionId>().unwrap_err().to_string();
            assert!(error.contains("session-…"), "{error}");
        }
    }

    #[test]
    fn image_names_are_single_path_components() {
        assert!("linux_latest".parse::<ImageId>().is_ok());
        for bad in ["", ".", "..", "a/b", "-x", "a b"] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }
}
