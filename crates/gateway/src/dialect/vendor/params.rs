//! What a request says, as names with texts, and the few types that SDKs write into them.

use super::refusal::Refusal;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, btree_map};

/// Everything a request says. An empty value is the same as none: SDKs send both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads `a=1&b=2`, urlencoded.
    pub(in crate::dialect) fn parse(text: &[u8]) -> Self {
        form_urlencoded::parse(text).into_owned().collect()
    }

    /// These and those; what stands in both counts as `those` say it.
    pub(in crate::dialect) fn with(mut self, those: Self) -> Self {
        self.0.extend(those.0.into_iter().filter(|(_, value)| !value.is_empty()));
        self
    }

    /// A non-empty text.
    pub(in crate::dialect) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A text that must be there.
    pub(in crate::dialect) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// `true` or `false` in any case; false when absent.
    pub(in crate::dialect) fn flag(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.text(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Refusal::invalid(name, format!("must be true or false, got {:?}", shown(text)))),
        }
    }

    /// A whole number of at least 0.
    pub(in crate::dialect) fn number(&self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let parse = |text: &str| {
            let wrong = |_| Refusal::invalid(name, format!("must be a whole number, 0 or more, got {:?}", shown(text)));
            text.trim().parse().map_err(wrong)
        };
        self.text(name).map(parse).transpose()
    }

    /// A value written as a JSON string.
    pub(in crate::dialect) fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        let parse = |text: &str| {
            serde_json::from_str(text).map_err(|error| Refusal::invalid(name, format!("is not the JSON expected here: {error}")))
        };
        self.text(name).map(parse).transpose()
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Params {
    type Item = (&'a String, &'a String);
    type IntoIter = btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// What of a foreign text an error repeats.
pub(in crate::dialect) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(text.as_bytes())
    }

    #[test]
    fn query_and_body_are_one_map_and_empty_is_absent() {
        let both = params("Action=A&SessionId=q&Labels=x").with(params("SessionId=b+%2B&Labels=&Name="));
        assert_eq!(both.text("Action"), Some("A"));
        assert_eq!(both.text("SessionId"), Some("b +"));
        assert_eq!(both.text("Labels"), Some("x"));
        assert_eq!(both.text("Name"), None);
        assert_eq!(both.required("Name").unwrap_err().code(), "MissingParameter");
    }

    #[test]
    fn scalars_are_read_as_every_sdk_writes_them() {
        for (text, wanted) in [("F=True", true), ("F=true", true), ("F=False", false), ("F=false", false), ("F=", false), ("", false)] {
            assert_eq!(params(text).flag("F").unwrap(), wanted, "{text}");
        }
        assert!(params("F=yes").flag("F").unwrap_err().message().contains("F"));
        assert_eq!(params("N=10").number("N").unwrap(), Some(10));
        assert_eq!(params("N=").number("N").unwrap(), None);
        for bad in ["N=-1", "N=1.5", "N=x", "N=99999999999999999999"] {
            assert_eq!(params(bad).number("N").unwrap_err().code(), "InvalidParameter", "{bad}");
        }
    }

    #[test]
    fn bad_json_is_told_by_the_name_of_its_field() {
        let error = params("Labels=%7Bnope").json::<BTreeMap<String, String>>("Labels").unwrap_err();
        assert!(error.message().starts_with("Labels "), "{}", error.message());
        let escaped = params("Labels=%7B%22a%22%3A%22%5Cu00e9%22%7D").json::<BTreeMap<String, String>>("Labels").unwrap();
        assert_eq!(escaped.unwrap()["a"], "é");
    }
}
