//! What code shows, in its forms: MIME types and their contents, bounded.

use protocol::json_length;
use protocol::tools::code::CodeResult;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Forms that one thing may be shown in; further ones are left out.
const MAX_FORMS: usize = 32;
/// Longest MIME type, bytes; a longer one is left out.
const MAX_TYPE: usize = 256;
/// Longest JSON form, bytes. As a tree it takes many times that.
const MAX_JSON: usize = 4 << 20;

/// MIME types and contents as they came.
#[derive(Debug, Default)]
pub(super) struct Bundle(Vec<(String, Box<RawValue>)>);

impl Bundle {
    /// Them, of which at most `room` bytes are kept as JSON. Forms without room are left out, and the text says so.
    pub(super) fn result(self, is_main: bool, room: usize) -> CodeResult {
        let (mut data, mut used, mut left_out) = (BTreeMap::new(), 0, Vec::new());
        // The small first: an image that is too large shall not take its description with it.
        let mut forms = self.0;
        forms.sort_by_key(|(_, content)| content.get().len());
        for (name, content) in forms {
            let length = content.get().len() + name.len();
            let fits = used + length <= room && (length <= MAX_JSON || !is_json(&name));
            let value = if fits { content_of(&name, &content) } else { None };
            match value {
                Some(value) if used + json_length(&value) + name.len() <= room => {
                    used += json_length(&value) + name.len();
                    data.insert(name, value);
                }
                _ => left_out.push(format!("{name} of {} bytes", content.get().len())),
            }
        }
        if !left_out.is_empty() {
            let note = note(&left_out.join(", "));
            let text = match data.remove("text/plain") {
                Some(Value::String(text)) => format!("{text}\n{note}"),
                _ => note,
            };
            data.insert("text/plain".into(), text.into());
        }
        CodeResult { is_main, data }
    }
}

/// What stands for something that was too large.
pub(super) fn too_large(is_main: bool, bytes: u64) -> CodeResult {
    CodeResult { is_main, data: BTreeMap::from([("text/plain".into(), note(&format!("{bytes} bytes")).into())]) }
}

fn note(what: &str) -> String {
    format!("[left out, because it is too large: {what}; write it to a file instead]")
}

fn is_json(mime: &str) -> bool {
    mime == "application/json" || mime.ends_with("+json")
}

fn content_of(mime: &str, content: &RawValue) -> Option<Value> {
    if is_json(mime) {
        return serde_json::from_str(content.get()).ok();
    }
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        return Some(text.into());
    }
    // Notebook files cut texts into lines, and some kernels show them so.
    let lines = (content.get().len() <= MAX_JSON).then(|| serde_json::from_str::<Vec<String>>(content.get()).ok());
    Some(lines.flatten().map_or_else(|| content.get().to_owned(), |lines| lines.concat()).into())
}

impl<'de> Deserialize<'de> for Bundle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = Bundle;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MIME types with contents")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bundle, A::Error> {
        let mut forms = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if forms.len() < MAX_FORMS && name.len() <= MAX_TYPE {
                forms.push((name, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Bundle(forms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(shown: &Value, room: usize, expected: Value) {
        let bundle: Bundle = serde_json::from_str(&shown.to_string()).unwrap();
        assert_eq!(json!(bundle.result(true, room).data), expected, "{shown}");
    }

    #[test]
    fn forms_are_texts_or_json() {
        let shown = json!({"text/plain": "a", "image/png": "aGk=", "application/json": {"a": [1]}, "application/vnd.x+json": null});
        check(&shown, 1000, shown.clone());
        check(&json!({"text/html": ["a\n", "b"], "text/x": 5}), 1000, json!({"text/html": "a\nb", "text/x": "5"}));
        check(&json!({}), 1000, json!({}));
    }

    #[test]
    fn the_large_form_goes_and_the_small_ones_stay() {
        let shown = json!({"image/png": "x".repeat(100), "text/plain": "<Figure>"});
        let note = "<Figure>\n[left out, because it is too large: image/png of 102 bytes; write it to a file instead]";
        check(&shown, 100, json!({ "text/plain": note }));
        let many: BTreeMap<String, u8> = (0..100).map(|n| (format!("a/{n}"), 0)).collect();
        let bundle: Bundle = serde_json::from_str(&json!(many).to_string()).unwrap();
        assert_eq!(bundle.result(false, 10_000).data.len(), MAX_FORMS);
    }
}
