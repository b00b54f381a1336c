//! How long an MCP message may be.

use serde::Serialize;
use std::io;

/// Longest MCP message either side sends or reads, bytes: a file of
/// [`MAX_READ_BYTES`](crate::tools::filesystem::MAX_READ_BYTES) fits as base64 and, unless it is made of control
/// characters, as text.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Longest arguments or result within a message, bytes of JSON. Longer ones are refused with
/// [`ToolErrorCode::TooLarge`](crate::ToolErrorCode::TooLarge) before they are sent, because a receiver can only drop
/// a message that is too long.
pub const MAX_PAYLOAD_BYTES: usize = MAX_MESSAGE_BYTES - 64 * 1024;

/// How long `value` is as JSON, bytes; [`usize::MAX`] if it cannot be written as JSON.
pub fn json_length(value: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_text() {
        for value in [serde_json::json!({"a": ["\u{0}é", 1.5, null]}), serde_json::json!("")] {
            assert_eq!(json_length(&value), value.to_string().len());
        }
    }
}
