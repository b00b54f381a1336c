//! `ExtraConfigs`: how the device behind a session of another image is to be set up.
//!
//! | SDK | form |
//! |---|---|
//! | Python | a field for each value: `ExtraConfigs.Mobile.LockResolution=True`, lists as `….N` |
//! | TypeScript | one field with JSON, `lockResolution` |
//! | Go | one field with JSON, `lock_resolution` |
//!
//! No image here has such a device. A session without what was asked for would be a false success, so whatever asks for
//! something is refused by name; what only spells out defaults asks for nothing.

use crate::dialect::vendor::{Params, Refusal, shown};
use http::StatusCode;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const FIELD: &str = "ExtraConfigs";

/// Refuses settings that no image here can have.
pub(super) fn check(params: &Params) -> Result<(), Refusal> {
    let asked = settings(params)?;
    if asked.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = asked.iter().take(20).map(|name| shown(name)).collect();
    let why = "asks for settings of devices that no image here has; mobile ones belong to mobile_latest";
    let message = format!("{FIELD} {why}; leave out: {}", names.join(", "));
    Err(Refusal::new(StatusCode::BAD_REQUEST, "UnsupportedParameter", message))
}

/// What is asked for, as `section.setting` in lower case with underscores.
fn settings(params: &Params) -> Result<BTreeSet<String>, Refusal> {
    let mut found = BTreeSet::new();
    for (section, value) in params.json::<Map<String, Value>>(FIELD)?.unwrap_or_default() {
        match value {
            Value::Object(inner) => {
                let set = inner.into_iter().filter(|(_, value)| asks(value));
                found.extend(set.map(|(setting, _)| format!("{}.{}", snake_case(&section), snake_case(&setting))));
            }
            value if asks(&value) => drop(found.insert(snake_case(&section))),
            _ => {}
        }
    }
    let flattened = params.into_iter().filter_map(|(name, text)| Some((name.strip_prefix("ExtraConfigs.")?, text)));
    for (path, text) in flattened {
        if !text.is_empty() && !text.eq_ignore_ascii_case("false") {
            let parts: Vec<_> = path.split('.').take(2).map(snake_case).collect();
            found.insert(parts.join("."));
        }
    }
    Ok(found)
}

/// Whether a value is more than a default.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(asks),
        Value::Object(map) => map.values().any(asks),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Params {
        Params::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    #[test]
    fn the_three_encodings_say_the_same() {
        let check = |pairs: &[(&str, &str)]| {
            let refusal = super::check(&parse(pairs)).unwrap_err();
            assert_eq!(refusal.code(), "UnsupportedParameter");
            let wanted = "leave out: mobile.lock_resolution, mobile.uninstall_blacklist";
            assert!(refusal.message().contains("mobile_latest") && refusal.message().ends_with(wanted), "{}", refusal.message());
        };
        check(&[("ExtraConfigs.Mobile.LockResolution", "True"), ("ExtraConfigs.Mobile.UninstallBlacklist.1", "com.a")]);
        check(&[("ExtraConfigs", r#"{"mobile":{"lockResolution":true,"hideNavigationBar":false,"uninstallBlacklist":["com.a"]}}"#)]);
        check(&[("ExtraConfigs", r#"{"mobile":{"lock_resolution":true,"app_manager_rule":null,"uninstall_blacklist":["com.a"]}}"#)]);
    }

    #[test]
    fn defaults_ask_for_nothing_and_what_is_no_object_is_malformed() {
        for nothing in ["{}", r#"{"mobile":null}"#, r#"{"mobile":{"lock_resolution":false,"uninstall_blacklist":[],"simulate":{}}}"#] {
            super::check(&parse(&[("ExtraConfigs", nothing)])).unwrap();
        }
        super::check(&parse(&[("ExtraConfigs.Mobile.LockResolution", "False")])).unwrap();
        for bad in ["{", "[]", "1"] {
            assert_eq!(super::check(&parse(&[("ExtraConfigs", bad)])).unwrap_err().code(), "InvalidParameter", "{bad}");
        }
        assert!(super::check(&parse(&[("ExtraConfigs", r#"{"desktop":7}"#)])).unwrap_err().message().ends_with("leave out: desktop"));
    }
}
