//! x
use crate::ws::Message;
use serde_json::{Value, json};

pub(crate) fn frame(id: &str, target: &str, data: Value) -> Message {
    Message::text(json!({"invocationId": id, "source": "SDK", "target": target, "data": data}).to_string())
}
