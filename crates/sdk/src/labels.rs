//! Labels: non-empty keys with non-empty values.

use crate::{Error, Result};
use std::collections::BTreeMap;

/// Refuses a label that no service takes.
pub(crate) fn check(labels: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in labels {
        if key.trim().is_empty() {
            return Err(Error::invalid("a label's key is empty"));
        }
        if value.trim().is_empty() {
            return Err(Error::invalid(format!("label `{key}` has an empty value")));
        }
    }
    Ok(())
}

/// The form in which labels travel.
pub(crate) fn to_json(labels: &BTreeMap<String, String>) -> String {
    serde_json::to_value(labels).unwrap_or_default().to_string()
}
