//! Jupyter's messages, as far as running code needs them: signed, parsed into types, bounded.

use super::display::Bundle;
use super::zmtp;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use protocol::tools::code::CodeError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

const DELIMITER: &[u8] = b"<IDS|MSG>";
const VERSION: &str = "5.3";
/// Longest content of a message that is not output, bytes; only an error's text can come near it.
const MAX_PLAIN: usize = 4 << 20;

/// The key that both sides sign with, and the name this side has.
#[derive(Clone)]
pub(super) struct Signer {
    mac: Hmac<Sha256>,
    session: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What a kernel says.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The request it is about.
    pub(super) parent: String,
    /// What it says.
    pub(super) body: Body,
}

/// The kinds of message.
#[derive(Debug)]
pub(super) enum Body {
    /// Whether the kernel works on the request.
    Status { idle: bool },
    /// Text on standard output or error.
    Stream { stderr: bool, text: String },
    /// Something to show; `main` for the value of the last expression.
    Show { main: bool, data: Bundle, display_id: Option<String> },
    /// Something that is shown already changes.
    Update { data: Bundle, display_id: String },
    /// The code raised an error.
    Error(CodeError),
    /// The code's end.
    Executed { execution_count: Option<u32>, error: Option<CodeError> },
    /// The kernel is ready.
    Info,
    /// Output that was too long to be read.
    TooLong { stream: bool, bytes: u64 },
    /// Anything else.
    Other,
}

impl Signer {
    /// One with the key of a connection file.
    pub(super) fn new(key: &str, session: String) -> Self {
        // HMAC takes keys of any length.
        let mac = Hmac::new_from_slice(key.as_bytes()).expect("a key of any length is a key");
        Self { mac, session }
    }

    /// The id of this side's `number`th request: unguessable, as the session's name is.
    pub(super) fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.session)
    }

    /// A request's frames.
    pub(super) fn request(&self, id: &str, kind: &str, content: &Value) -> Vec<Bytes> {
        let header = json!({
            "msg_id": id, "msg_type": kind, "session": self.session, "username": "roadstead", "version": VERSION,
            // Nobody reads it, but some kernels want one.
            "date": "1970-01-01T00:00:00.000000Z",
        });
        let parts = [header.to_string(), "{}".into(), "{}".into(), content.to_string()];
        let signature = hex(&self.signed(parts.iter().map(String::as_bytes)).finalize().into_bytes());
        let mut frames = vec![Bytes::from_static(DELIMITER), signature.into()];
        frames.extend(parts.map(Bytes::from));
        frames
    }

    /// A kernel's message; `None` when it is none, or not signed with the key.
    pub(super) fn open(&self, message: &zmtp::Message) -> Option<Incoming> {
        let start = message.frames.iter().position(|frame| frame.as_ref() == DELIMITER)?;
        let parts = &message.frames[start + 1..];
        let (signature, rest) = parts.split_first()?;
        if message.left_out > 0 && rest.len() < 4 {
            // Too long to be checked. Whoever names a request knows its random id, which only the kernel was told.
            return too_long(rest, message.left_out);
        }
        let [header, parent, metadata, content] = rest.get(..4)?.first_chunk::<4>()?;
        let parts = [header, parent, metadata, content];
        self.signed(parts.into_iter().map(Bytes::as_ref)).verify_slice(&unhex(signature)?).ok()?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let parent: Header = serde_json::from_slice(parent).unwrap_or_default();
        Some(Incoming { parent: parent.msg_id, body: body(&header.msg_type, content) })
    }

    fn signed<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Hmac<Sha256> {
        parts.fold(self.mac.clone(), |mac, part| mac.chain_update(part))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Header {
    msg_id: String,
    msg_type: String,
}

fn too_long(parts: &[Bytes], left_out: u64) -> Option<Incoming> {
    let header: Header = serde_json::from_slice(parts.first()?).ok()?;
    let parent: Header = serde_json::from_slice(parts.get(1)?).ok()?;
    let body = match header.msg_type.as_str() {
        "stream" => Body::TooLong { stream: true, bytes: left_out },
        "execute_result" | "display_data" => Body::TooLong { stream: false, bytes: left_out },
        "error" => Body::Error(unreadable(left_out)),
        "execute_reply" => Body::Executed { execution_count: None, error: None },
        _ => Body::Other,
    };
    Some(Incoming { parent: parent.msg_id, body })
}

/// A content that is not what its kind promises is nothing to us.
fn body(kind: &str, content: &[u8]) -> Body {
    let body = match kind {
        "stream" => serde_json::from_slice(content).ok().map(|Stream { name, text }| Body::Stream { stderr: name == "stderr", text }),
        "execute_result" | "display_data" => serde_json::from_slice(content).ok().map(|Display { data, transient }| Body::Show {
            main: kind == "execute_result",
            data,
            display_id: transient.display_id,
        }),
        "update_display_data" => serde_json::from_slice(content)
            .ok()
            .and_then(|Display { data, transient }| Some(Body::Update { data, display_id: transient.display_id? })),
        "error" if content.len() > MAX_PLAIN => Some(Body::Error(unreadable(content.len() as u64))),
        "error" => Some(Body::Error(serde_json::from_slice::<Raised>(content).unwrap_or_default().into())),
        // Whatever it says, it is the code's end.
        "execute_reply" if content.len() > MAX_PLAIN => Some(executed(Reply::default())),
        "execute_reply" => Some(executed(serde_json::from_slice(content).unwrap_or_default())),
        "status" if content.len() <= MAX_PLAIN => {
            serde_json::from_slice(content).ok().map(|Status { execution_state }| Body::Status { idle: execution_state == "idle" })
        }
        "kernel_info_reply" => Some(Body::Info),
        _ => None,
    };
    body.unwrap_or(Body::Other)
}

#[derive(Deserialize)]
struct Status {
    execution_state: String,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct Display {
    data: Bundle,
    #[serde(default)]
    transient: Transient,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Transient {
    display_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raised {
    ename: String,
    evalue: String,
    traceback: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reply {
    status: String,
    execution_count: Option<u32>,
    ename: String,
    evalue: String,
    traceback: Vec<String>,
}

fn executed(Reply { status, execution_count, ename, evalue, traceback }: Reply) -> Body {
    let error = match status.as_str() {
        "aborted" | "abort" => {
            Some(CodeError { name: "Aborted".into(), value: "the kernel did not run the code".into(), traceback: String::new() })
        }
        "error" => Some(Raised { ename, evalue, traceback }.into()),
        _ => None,
    };
    Body::Executed { execution_count, error }
}

impl From<Raised> for CodeError {
    fn from(raised: Raised) -> Self {
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let name = or(without_colours(&raised.ename), "Error");
        Self { name, value: without_colours(&raised.evalue), traceback: without_colours(&raised.traceback.join("\n")) }
    }
}

fn unreadable(bytes: u64) -> CodeError {
    let value = format!("the code raised an error whose text of {bytes} bytes is too long to be shown");
    CodeError { name: "Error".into(), value, traceback: String::new() }
}

/// The text without terminal control sequences.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        // `ESC [`, parameters, one final letter; any other sequence is ESC and one character.
        if rest.next() == Some('[') {
            rest.by_ref().find(|c| matches!(c, '@'..='~'));
        }
    }
    plain
}

/// Random bytes as hexadecimal text, for keys and names.
pub(super) fn random() -> Result<String, protocol::ToolError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        protocol::ToolError::new(protocol::ToolErrorCode::Internal, format!("getting random bytes for a kernel's key failed: {error}"))
    })?;
    Ok(hex(&bytes))
}

/// What a connection file holds.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionFile<'a> {
    pub(super) transport: &'static str,
    pub(super) ip: &'static str,
    pub(super) shell_port: u16,
    pub(super) iopub_port: u16,
    pub(super) stdin_port: u16,
    pub(super) control_port: u16,
    pub(super) hb_port: u16,
    pub(super) signature_scheme: &'static str,
    pub(super) key: &'a str,
    pub(super) kernel_name: &'static str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn signer() -> Signer {
        Signer::new("secret", "me".into())
    }

    /// A kernel's message.
    pub(in super::super) fn said(signer: &Signer, parent: &str, kind: &str, content: &str) -> Vec<Bytes> {
        let header = json!({"msg_id": "x", "msg_type": kind}).to_string();
        let parts = [header, json!({ "msg_id": parent }).to_string(), "{}".into(), content.to_owned()];
        let signature = hex(&signer.signed(parts.iter().map(String::as_bytes)).finalize().into_bytes());
        let mut frames = vec![Bytes::from(format!("kernel.{kind}")), Bytes::from_static(DELIMITER), signature.into()];
        frames.extend(parts.map(Bytes::from));
        frames
    }

    fn opened(kind: &str, content: &str) -> Option<Incoming> {
        let frames = said(&signer(), "p", kind, content);
        signer().open(&zmtp::Message { frames, left_out: 0 })
    }

    fn check(kind: &str, content: &str, expected: &str) {
        let shown = format!("{:?}", opened(kind, content).unwrap().body);
        assert!(shown.contains(expected), "{kind} {content}: {shown}");
    }

    #[test]
    fn messages_become_what_they_say() {
        check("stream", r#"{"name":"stderr","text":"a"}"#, r#"Stream { stderr: true, text: "a" }"#);
        check("status", r#"{"execution_state":"idle"}"#, "idle: true");
        check("execute_reply", r#"{"status":"ok","execution_count":3}"#, "execution_count: Some(3), error: None");
        check("execute_reply", r#"{"status":"aborted"}"#, "Aborted");
        check("display_data", r#"{"data":{"text/plain":"x"},"transient":{"display_id":"d"}}"#, r#"display_id: Some("d")"#);
        check("error", r#"{"ename":"E","evalue":"v","traceback":["\u001b[0;31mE\u001b[0m","x\u001b"]}"#, r#"traceback: "E\nx""#);
    }

    #[test]
    fn nonsense_is_nothing() {
        for content in ["", "{", "null", "[]", r#"{"name":5,"text":"x"}"#, r#"{"data":{"a":{}},"transient":7}"#, &"[".repeat(100_000)] {
            for kind in ["stream", "status", "execute_reply", "display_data", "update_display_data", "error", "comm_open", ""] {
                opened(kind, content);
            }
        }
        check("stream", "{", "Other");
        for frames in [vec![], vec![Bytes::from_static(DELIMITER)], vec![Bytes::from_static(b"x"); 9]] {
            assert!(signer().open(&zmtp::Message { frames, left_out: 0 }).is_none());
        }
    }

    #[test]
    fn only_what_is_signed_with_the_key_counts() {
        let forged = said(&Signer::new("other", "me".into()), "p", "status", "{}");
        assert!(signer().open(&zmtp::Message { frames: forged, left_out: 0 }).is_none());
        for part in 2..7 {
            let mut frames = said(&signer(), "p", "status", r#"{"execution_state":"idle"}"#);
            frames[part] = Bytes::from([frames[part].as_ref(), b" "].concat());
            assert!(signer().open(&zmtp::Message { frames, left_out: 0 }).is_none(), "part {part}");
        }
    }

    #[test]
    fn output_that_was_too_long_is_told() {
        let mut frames = said(&signer(), "p", "stream", "");
        frames.truncate(6);
        let incoming = signer().open(&zmtp::Message { frames, left_out: 77 }).unwrap();
        assert!(incoming.parent == "p" && matches!(incoming.body, Body::TooLong { stream: true, bytes: 77 }), "{incoming:?}");
    }

    #[test]
    fn an_unexpected_traceback_type_keeps_the_name() {
        let long = format!(r#"{{"ename":"E","evalue":"{}"}}"#, "x".repeat(MAX_PLAIN));
        check("error", &long, "too long to be shown");
    }
}
