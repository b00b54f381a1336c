//! What is said on a socket, as JSON.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Longest text that one message of ours carries: SDKs take messages of up to 1 MiB, and a byte may need six as JSON.
pub(super) const MAX_TEXT: usize = 128 << 10;
/// Longest message of ours, bytes.
pub(super) const MAX_OUTGOING: usize = 1_000_000;

/// A client's message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    /// Chosen by the client; every answer carries it.
    pub(super) id: String,
    /// Which of the session's servers it is for: the source of the answers.
    pub(super) target: String,
    pub(super) method: String,
    params: Map<String, Value>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "invocationId", alias = "requestId")]
    id: String,
    target: String,
    data: Value,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Option<Map<String, Value>>,
}

/// Longest id and target taken; both come back in every answer.
const MAX_NAME: usize = 128;

impl Invocation {
    /// Reads a message; the error says why it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Envelope { id, target, data } = serde_json::from_slice(bytes).map_err(|error| format!("not a message as JSON: {error}"))?;
        for (name, text) in [("invocationId", &id), ("target", &target)] {
            if text.is_empty() || text.len() > MAX_NAME {
                return Err(format!("{name} must have 1 to {MAX_NAME} bytes"));
            }
        }
        let data = match data {
            Value::String(text) => serde_json::from_str(&text),
            data => serde_json::from_value(data),
        };
        let Data { method, params } = data.map_err(|error| format!("data is no method with params: {error}"))?;
        Ok(Self { id, target, method, params: params.unwrap_or_default() })
    }

    /// The parameters; the error names what is wrong with them.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, String> {
        // SDKs write null for what their caller left out.
        let given = self.params.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone()));
        serde_json::from_value(given.collect()).map_err(|error| format!("{}: params: {error}", self.method))
    }

    /// The answer that is not the last.
    pub(super) fn event(&self, kind: &str, name: &str, content: Value) -> String {
        frame(&self.id, &self.target, &json!({ "phase": "event", "eventType": kind, name: content }))
    }

    /// The last answer of a stream.
    pub(super) fn end(&self, mut data: Value) -> String {
        data["phase"] = "end".into();
        frame(&self.id, &self.target, &data)
    }

    /// The only answer to a call.
    pub(super) fn result(&self, result: Value) -> String {
        self.end(json!({ "result": result }))
    }

    /// The last answer to what failed.
    pub(super) fn failure(&self, message: &str) -> String {
        frame(&self.id, &self.target, &json!({ "phase": "error", "error": cut(message, MAX_TEXT) }))
    }
}

/// A message that nobody asked for; `id` is fresh.
pub(super) fn push(id: &str, source: &str, data: &Value) -> String {
    frame(id, source, data)
}

/// The beginning of a text, `limit` bytes at most.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..(0..=limit.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)]
}

fn frame(id: &str, source: &str, data: &Value) -> String {
    json!({ "invocationId": id, "source": source, "target": "SDK", "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_sdks_write_them() {
        let read = |text: &str| Invocation::parse(text.as_bytes());
        let text = r#"{"invocationId":"i","source":"SDK","target":"S","data":{"method":"m","params":{"a":1,"b":null},"mode":"stream"}}"#;
        let call = read(text).unwrap();
        assert_eq!((call.id.as_str(), call.target.as_str(), call.method.as_str()), ("i", "S", "m"));
        assert_eq!(call.params::<Value>().unwrap(), json!({"a": 1}));
        assert_eq!(read(r#"{"requestId":"i","target":"S","data":"{\"method\":\"m\"}"}"#).unwrap().method, "m");
        for bad in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"invocationId":"","target":"S","data":{}}"#,
            r#"{"invocationId":1,"target":"S","data":{}}"#,
            r#"{"invocationId":"i","target":"S","data":5}"#,
            r#"{"invocationId":"i","target":"S","data":{"method":{}}}"#,
            r#"{"invocationId":"i","target":"S"}"#,
            &json!({"invocationId": "i".repeat(129), "target": "S", "data": {}}).to_string(),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Invocation::parse(b"\xff\xfe").is_err());
    }

    #[test]
    fn answers_carry_what_clients_insist_on() {
        let call = Invocation { id: "i".into(), target: "S".into(), method: "m".into(), params: Map::new() };
        let end = call.result(json!({"x": 1}));
        for text in [call.event("stdout", "chunk", "c".into()), end.clone(), call.failure("no"), push("p", "S", &json!({}))] {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(value["data"].is_object());
            assert_eq!((&value["target"], &value["source"]), (&json!("SDK"), &json!("S")), "{text}");
            assert!(value["invocationId"].as_str().is_some_and(|id| !id.is_empty()));
        }
        assert_eq!(serde_json::from_str::<Value>(&end).unwrap()["data"], json!({"phase": "end", "result": {"x": 1}}));
        assert_eq!(cut("aé", 2), "a");
    }
}
