//! Labels: small texts that a client hangs on a session and searches by.

use std::collections::BTreeMap;

/// A set of labels. Keys and values are non-empty; at most [`Labels::MAX_PAIRS`] pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// Why a set of labels was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// A key is empty or only blanks.
    #[error("label keys must be non-empty strings")]
    EmptyKey,
    /// A value is empty or only blanks.
    #[error("label {key:?} has an empty value; label values must be non-empty strings")]
    EmptyValue {
        /// Whose value it is.
        key: String,
    },
    /// A key or value is too long.
    #[error("label {key:?}: keys may have at most {max_key} and values at most {max_value} bytes", max_key = Labels::MAX_KEY_BYTES, max_value = Labels::MAX_VALUE_BYTES)]
    TooLong {
        /// The key, shortened.
        key: String,
    },
    /// Too many pairs.
    #[error("{count} labels given; at most {max} are allowed", max = Labels::MAX_PAIRS)]
    TooMany {
        /// How many were given.
        count: usize,
    },
}

impl Labels {
    /// Most pairs in a set.
    pub const MAX_PAIRS: usize = 64;
    /// Longest key, bytes of UTF-8.
    pub const MAX_KEY_BYTES: usize = 256;
    /// Longest value, bytes of UTF-8.
    pub const MAX_VALUE_BYTES: usize = 1024;

    /// Checks and takes the pairs.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidLabel> {
        let map: BTreeMap<String, String> = pairs.into_iter().collect();
        if map.len() > Self::MAX_PAIRS {
            return Err(InvalidLabel::TooMany { count: map.len() });
        }
        for (key, value) in &map {
            if key.trim().is_empty() {
                return Err(InvalidLabel::EmptyKey);
            }
            if value.trim().is_empty() {
                return Err(InvalidLabel::EmptyValue { key: key.clone() });
            }
            if key.len() > Self::MAX_KEY_BYTES || value.len() > Self::MAX_VALUE_BYTES {
                return Err(InvalidLabel::TooLong { key: key.chars().take(64).collect() });
            }
        }
        Ok(Self(map))
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The pairs in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether every pair of `wanted` stands in this set.
    pub fn matches(&self, wanted: &Labels) -> bool {
        wanted.0.iter().all(|(k, v)| self.0.get(k) == Some(v))
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(d)?;
        Self::new(map).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Result<Labels, InvalidLabel> {
        Labels::new(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn empty_keys_and_values_are_refused() {
        assert_eq!(labels(&[("", "x")]), Err(InvalidLabel::EmptyKey));
        assert_eq!(labels(&[("a", " ")]), Err(InvalidLabel::EmptyValue { key: "a".into() }));
    }

    #[test]
    fn matching_needs_every_pair() {
        let have = labels(&[("env", "prod"), ("team", "a")]).unwrap();
        assert!(have.matches(&labels(&[("env", "prod")]).unwrap()));
        assert!(have.matches(&Labels::default()));
        assert!(!have.matches(&labels(&[("env", "dev")]).unwrap()));
    }
}
