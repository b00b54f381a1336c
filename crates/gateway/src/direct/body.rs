//! The body of a call as it comes in. The text of a `write_file` can be hundreds of megabytes: it is lifted out of the
//! JSON around it while it arrives, decoded once, and kept in pieces for which room is paid.
//!
//! Only `args.content` at its own place is lifted; an empty string stays where it stood, so that what is left is as valid
//! as the whole was.

use crate::app::App;
use crate::limits::{BodyError, Room};
use axum::body::Body;
use content::{Content, Unescape};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Instant;

pub(super) mod content;

/// How much of a body is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Longest JSON besides the lifted text, bytes.
    pub(super) json: usize,
    /// Longest lifted text, bytes.
    pub(super) content: usize,
}

/// A call as the client wrote it.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) tool: String,
    #[serde(default)]
    pub(super) args: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) token: Option<String>,
    #[serde(default, rename = "requestId")]
    pub(super) request: Option<String>,
    /// The text that was lifted out of `args.content`, and the room that it takes.
    #[serde(skip)]
    pub(super) content: Option<(Content, Room)>,
}

/// Why there is no call.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is not a call as JSON: {0}")]
    Json(String),
}

/// Takes a body in as a call.
pub(super) async fn take(app: &App, body: &mut Body, bounds: Bounds) -> Result<Call, CallError> {
    let (started, all, piece) = (Instant::now(), app.timeouts.direct, app.timeouts.body);
    let mut scanner = Scanner::default();
    let mut room = app.admission.room();
    loop {
        let patience = piece.min(all.saturating_sub(started.elapsed()));
        let too_slow = |_| BodyError::TooSlow { seconds: patience.as_secs() };
        let Some(frame) = tokio::time::timeout(patience, body.frame()).await.map_err(too_slow)? else { break };
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        scanner.feed(&data).map_err(|error| CallError::Json(error.to_owned()))?;
        let content = scanner.content.as_ref().map_or(0, Content::len);
        for (length, limit) in [(scanner.rest.len(), bounds.json), (content, bounds.content)] {
            if length > limit {
                return Err(BodyError::TooLarge { limit }.into());
            }
        }
        room.grow(scanner.rest.len() + content)?;
    }
    let mut call: Call = serde_json::from_slice(&scanner.rest).map_err(|error| CallError::Json(error.to_string()))?;
    // Only a string that has come to its end leaves valid JSON.
    if let Some(mut content) = scanner.content {
        content.finish().map_err(|error| CallError::Json(error.to_owned()))?;
        call.content = Some((content, room));
    }
    Ok(call)
}

/// Follows JSON just closely enough to know when `args.content` begins.
#[derive(Debug, Default)]
struct Scanner {
    rest: Vec<u8>,
    place: Place,
    depth: usize,
    /// The last key read, without its quotes; cut.
    key: Vec<u8>,
    key_comes: bool,
    in_args: bool,
    content: Option<Content>,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Between,
    Text {
        escaped: bool,
        is_key: bool,
    },
    Lifted(Unescape),
}

/// Longer keys are none of those looked for.
const LONGEST_KEY: usize = 8;

impl Scanner {
    fn feed(&mut self, data: &[u8]) -> Result<(), &'static str> {
        let mut at = 0;
        while at < data.len() {
            if let (Place::Lifted(unescape), Some(content)) = (&mut self.place, &mut self.content) {
                let (read, ended) = unescape.read(&data[at..], content)?;
                at += read;
                if ended {
                    self.place = Place::Between;
                    self.rest.push(b'"');
                }
                continue;
            }
            self.step(data[at])?;
            at += 1;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        self.rest.push(byte);
        match &mut self.place {
            Place::Text { escaped: escaped @ true, .. } => *escaped = false,
            Place::Text { escaped, .. } if byte == b'\\' => *escaped = true,
            Place::Text { .. } if byte == b'"' => self.place = Place::Between,
            Place::Text { is_key: true, .. } if self.key.len() <= LONGEST_KEY => self.key.push(byte),
            Place::Text { .. } | Place::Lifted(_) => {}
            Place::Between => return self.structure(byte),
        }
        Ok(())
    }

    fn structure(&mut self, byte: u8) -> Result<(), &'static str> {
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                let is_object = byte == b'{';
                if self.depth == 2 {
                    self.in_args = is_object && self.key == b"args";
                }
                self.key_comes = is_object;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.in_args &= self.depth >= 2;
                self.key_comes = false;
            }
            b',' => self.key_comes = self.depth == 1 || self.depth == 2 && self.in_args,
            b':' => self.key_comes = false,
            b'"' if !self.key_comes && self.depth == 2 && self.in_args && self.key == b"content" => {
                if self.content.replace(Content::default()).is_some() {
                    return Err("args has content twice");
                }
                self.place = Place::Lifted(Unescape::default());
            }
            b'"' => {
                let is_key = self.key_comes && self.depth <= 2;
                if is_key {
                    self.key.clear();
                }
                self.place = Place::Text { escaped: false, is_key };
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
