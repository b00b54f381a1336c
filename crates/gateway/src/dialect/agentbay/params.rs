//! Query and form parameters, and the few types that SDKs write into them.

use super::rescue::Refusal;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Everything a request says. An empty value is the same as none: SDKs send both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads `a=1&b=2`, urlencoded.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// These and those; what stands in both counts as the form body (`those`) says it.
    pub(super) fn with(mut self, those: Self) -> Self {
        self.0.extend(those.0.into_iter().filter(|(_, value)| !value.is_empty()));
        self
    }

    /// A non-empty text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// `true` or `false` in any case; false when absent.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.text(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Refusal::invalid(name, format!("must be true or false, got {:?}", shown(text)))),
        }
    }

    /// A whole number of at least 0.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let parse = |text: &str| {
            let wrong = |_| Refusal::invalid(name, format!("must be a whole number, 0 or more, got {:?}", shown(text)));
            text.trim().parse().map_err(wrong)
        };
        self.text(name).map(parse).transpose()
    }

    /// A value written as a JSON string.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        let parse = |text: &str| {
            serde_json::from_str(text).map_err(|error| Refusal::invalid(name, format!("is not the JSON expected here: {error}")))
        };
        self.text(name).map(parse).transpose()
    }

    /// The parameters whose names begin with `prefix`, without it.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

/// What of a foreign text an error repeats.
pub(super) fn shown(text: &str) -> String {
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

    #[test]
    fn flattened_fields_are_found_below_their_prefix() {
        let params = params("Extra.A=1&Extra.B.1=2&ExtraC=3");
        assert_eq!(params.below("Extra.").collect::<Vec<_>>(), [("A", "1"), ("B.1", "2")]);
    }
}
