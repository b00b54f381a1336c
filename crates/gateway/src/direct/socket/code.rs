//! `run_code`: code with its output as it comes.

use super::frame::{Invocation, MAX_OUTGOING, MAX_TEXT, cut};
use super::outbox::Gone;
use super::peer::Peer;
use control::OpContext;
use futures::StreamExt;
use protocol::StreamOpen;
use protocol::streams::{CodeEvent, CodeOpen};
use protocol::tools::code::{CodeError, CodeResult, Language, RunCodeArgs};
use serde::Deserialize;
use serde_json::{Value, json};
use types::SandboxUser;

#[derive(Deserialize)]
struct Params {
    code: String,
    language: Language,
    #[serde(default, rename = "timeoutS", alias = "timeout_s")]
    timeout_s: Option<f64>,
}

/// Runs code and tells what happens until it has ended. It goes on in the session when nobody listens any more.
pub(super) async fn run(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    match stream(peer, call).await? {
        Ok(()) => Ok(()),
        Err(message) => peer.outbox.send(call.failure(&message)).await,
    }
}

async fn stream(peer: &Peer, call: &Invocation) -> Result<Result<(), String>, Gone> {
    let Params { code, language, timeout_s } = match call.params() {
        Ok(params) => params,
        Err(message) => return Ok(Err(message)),
    };
    let cx = peer.context();
    let args = RunCodeArgs { code, language, timeout_s };
    let open = CodeOpen { call: peer.app.control.new_call(SandboxUser::default()), args };
    let mut packets = match peer.open(&cx, StreamOpen::Code(open)).await {
        Ok(packets) => packets,
        Err(message) => return Ok(Err(message)),
    };
    let mut run = Run { cx, execution_error: String::new() };
    while let Some(packet) = packets.next().await {
        let event = match packet.and_then(|packet| packet.parse::<CodeEvent>()) {
            Ok(event) => event,
            Err(error) => return Ok(Err(format!("the session broke the stream off: {error}; the code may still run"))),
        };
        let is_last = match event {
            CodeEvent::Failed { error } => return Ok(Err(error.message)),
            ref event => matches!(event, CodeEvent::Ended { .. }),
        };
        for text in run.told(call, event) {
            peer.outbox.send(text).await?;
        }
        if is_last {
            return Ok(Ok(()));
        }
    }
    Ok(Err("the session ended the stream before the code had ended".into()))
}

struct Run {
    cx: OpContext,
    /// Empty while nothing went wrong.
    execution_error: String,
}

impl Run {
    /// The messages for an event.
    fn told(&mut self, call: &Invocation, event: CodeEvent) -> Vec<String> {
        match event {
            CodeEvent::Starting | CodeEvent::Failed { .. } => Vec::new(),
            CodeEvent::Stdout { text } => pieces(&text).map(|piece| call.event("stdout", "chunk", piece.into())).collect(),
            CodeEvent::Stderr { text } => pieces(&text).map(|piece| call.event("stderr", "chunk", piece.into())).collect(),
            CodeEvent::Result { result } => shown(call, result),
            CodeEvent::Error { error } => vec![self.error(call, &error)],
            CodeEvent::Ended { execution_count, execution_time_s, timed_out, state_lost, cut_bytes } => {
                let mut messages = Vec::new();
                if cut_bytes > 0 {
                    let said = format!("\n[roadstead: {cut_bytes} bytes of output were left out]\n");
                    messages.push(call.event("stderr", "chunk", said.into()));
                }
                if timed_out && self.execution_error.is_empty() {
                    self.execution_error.push_str("TimeoutError: the code ran longer than its time limit and was interrupted");
                }
                if state_lost {
                    self.execution_error.push_str("\nThe kernel had to be restarted: variables of earlier calls are lost");
                }
                let status = if self.execution_error.is_empty() { "finished" } else { "failed" };
                messages.push(call.end(json!({
                    "executionCount": execution_count,
                    "executionTime": execution_time_s,
                    "executionError": self.execution_error.trim_start(),
                    "status": status,
                })));
                messages
            }
        }
    }

    fn error(&mut self, call: &Invocation, error: &CodeError) -> String {
        let line = format!("{}: {}", error.name, error.value);
        let said = if error.traceback.is_empty() { &line } else { &error.traceback };
        self.execution_error = cut(said, MAX_TEXT).to_owned();
        let message = cut(&error.value, MAX_TEXT);
        call.event("error", "error", json!({ "code": error.name, "message": message, "traceId": self.cx.request.as_str() }))
    }
}

/// A result in the forms that fit into a message; what does not fit is named.
fn shown(call: &Invocation, mut result: CodeResult) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let told = call.event("result", "result", json!({ "isMainResult": result.is_main, "mime": result.data }));
        let largest = result.data.iter().max_by_key(|(_, content)| length(content)).map(|(form, content)| (form.clone(), length(content)));
        let Some((form, bytes)) = largest.filter(|_| told.len() > MAX_OUTGOING) else {
            texts.push(told);
            return texts;
        };
        result.data.remove(&form);
        let note = format!("[roadstead: {form} of {bytes} bytes left out: a message may have {MAX_OUTGOING}; save it to a file]\n");
        texts.push(call.event("stderr", "chunk", note.into()));
    }
}

fn length(content: &Value) -> usize {
    content.as_str().map_or_else(|| content.to_string().len(), str::len)
}

/// A text in pieces of at most [`MAX_TEXT`] bytes.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, more) = rest.split_at(cut(rest, MAX_TEXT).len());
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_come_in_pieces_and_large_forms_are_named() {
        let call = Invocation::parse(br#"{"invocationId":"i","target":"S","data":{"method":"run_code"}}"#).unwrap();
        let text = "é\u{1}".repeat(MAX_TEXT);
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert!(pieces(&text).all(|piece| call.event("stdout", "chunk", piece.into()).len() < MAX_OUTGOING));

        let data = [("image/png", "x".repeat(MAX_OUTGOING)), ("text/plain", "small".to_owned())];
        let data = data.into_iter().map(|(form, content)| (form.to_owned(), Value::from(content))).collect();
        let texts = shown(&call, CodeResult { is_main: true, data });
        assert!(texts.iter().all(|text| text.len() <= MAX_OUTGOING));
        assert!(texts[0].contains("image/png of 1000000 bytes left out") && texts[1].contains("small"), "{texts:?}");
    }
}
