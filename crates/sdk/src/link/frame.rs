//! What travels on the session's WebSocket.

use super::Event;
use crate::ws::Message;
use serde::Deserialize;
use serde_json::{Value, json};

/// Who answers for the service itself, not for something in the session.
const GATEKEEPER: &str = "WEBSOCKET_SERVER";

/// A message to the service.
pub(crate) fn frame(id: &str, target: &str, data: Value) -> Message {
    Message::text(json!({"invocationId": id, "source": "SDK", "target": target, "data": data}).to_string())
}

/// A message from the service.
#[derive(Debug, Deserialize)]
pub(super) struct Incoming {
    #[serde(rename = "invocationId", alias = "requestId")]
    pub(super) id: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    error: Value,
}

impl Incoming {
    /// `None` for what is no message of the protocol.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut incoming: Self = serde_json::from_slice(text).ok()?;
        if let Value::String(text) = &incoming.data
            && let Ok(data) = serde_json::from_str(text)
        {
            incoming.data = data;
        }
        Some(incoming)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }

    /// What it means to the call it answers; `streamed` calls are answered in phases.
    pub(super) fn answer(self, streamed: bool) -> Event {
        if let Some(failure) = self.failure() {
            return Event::Failed(failure);
        }
        if !streamed || self.source == GATEKEEPER {
            return Event::End(self.data);
        }
        match self.text("phase") {
            Some("event") => Event::Part(self.data),
            Some("end") => Event::End(self.data),
            Some("error") => Event::Failed(self.text("message").unwrap_or("the service gave no reason").to_owned()),
            other => Event::Failed(format!("the answer's phase is {other:?}; it must be event, end or error")),
        }
    }

    fn failure(&self) -> Option<String> {
        let in_data = self.text("error").filter(|text| !text.is_empty()).map(str::to_owned);
        in_data.or_else(|| match &self.error {
            Value::Null => None,
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            other => Some(other.get("message").and_then(Value::as_str).map_or_else(|| other.to_string(), str::to_owned)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, streamed: bool) -> Event {
        Incoming::read(text.as_bytes()).unwrap().answer(streamed)
    }

    #[test]
    fn answers_come_in_phases_or_at_once() {
        let phase = |phase| format!(r#"{{"invocationId":"i","source":"s","target":"SDK","data":{{"phase":"{phase}","n":1}}}}"#);
        assert!(matches!(answer(&phase("event"), true), Event::Part(data) if data["n"] == 1));
        assert!(matches!(answer(&phase("end"), true), Event::End(_)));
        assert!(matches!(answer(&phase("error"), true), Event::Failed(_)));
        assert!(matches!(answer(&phase("odd"), true), Event::Failed(why) if why.contains("odd")));
        let once = r#"{"requestId":"i","source":"PTY_SERVER","target":"SDK","data":"{\"result\":{\"a\":2}}"}"#;
        assert!(matches!(answer(once, false), Event::End(data) if data["result"]["a"] == 2));
        let gatekeeper = r#"{"invocationId":"i","source":"WEBSOCKET_SERVER","target":"SDK","data":{}}"#;
        assert!(matches!(answer(gatekeeper, true), Event::End(_)));
    }

    #[test]
    fn failures_stand_in_the_data_or_beside_it() {
        let check = |text| assert!(matches!(answer(text, true), Event::Failed(why) if why == "no"), "{text}");
        check(r#"{"invocationId":"i","source":"s","data":{"phase":"event","error":"no"}}"#);
        check(r#"{"invocationId":"i","source":"WEBSOCKET_SERVER","error":"no"}"#);
        check(r#"{"invocationId":"i","source":"WEBSOCKET_SERVER","error":{"message":"no"}}"#);
        // An error that is an object in an event is the code's own, and the event goes on.
        let event = r#"{"invocationId":"i","source":"s","data":{"phase":"event","eventType":"error","error":{"message":"no"}}}"#;
        assert!(matches!(answer(event, true), Event::Part(_)));
        assert!(Incoming::read(b"{}").is_none());
    }
}
