//! Code with its output as it comes.
//!
//! The code never waits for its reader: what the reader has not taken yet is kept in a queue, bounded by
//! [`MAX_QUEUED`], and what has no room there is left out and counted. When the connection is lost, or the host closes its
//! side, the code goes on to its end or time limit and its output goes nowhere.

use super::Packets;
use crate::kernel::{Ended, Kernels, Output};
use futures::{SinkExt, StreamExt};
use protocol::json_length;
use protocol::packet::{MAX_PACKET, Packet};
use protocol::streams::{CodeEvent, CodeOpen};
use protocol::tools::code::{CodeError, CodeResult};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes that may wait for the reader.
const MAX_QUEUED: usize = 8 << 20;
/// Longest text in one event, bytes. Written as JSON it grows sixfold at most, so that it fits into a packet.
const MAX_TEXT: usize = 128 << 10;
/// What an event takes besides its text.
const OVERHEAD: usize = 128;

/// Serves one stream to its end.
pub(super) async fn serve(mut packets: Packets, open: CodeOpen, kernels: &Kernels) {
    // A failure means that the connection is lost, which is nobody's fault here.
    let _ = converse(&mut packets, open, kernels).await;
}

async fn converse(packets: &mut Packets, open: CodeOpen, kernels: &Kernels) -> io::Result<()> {
    let queue = Queue::default();
    let _reader = Reader(queue.clone());
    let mut running = std::pin::pin!(kernels.run_with(open.args, Box::new(queue.clone()), CancellationToken::new()));
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome,
            event = queue.next() => send(packets, &event).await?,
            from_host = packets.next() => match from_host {
                Some(Ok(_)) => {} // there is nothing to say
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    };
    while let Some(event) = queue.pop() {
        send(packets, &event).await?;
    }
    match outcome {
        Ok(Ended { error, execution_count, execution_time_s, timed_out, state_lost }) => {
            if let Some(error) = error {
                send(packets, &CodeEvent::Error { error: fitting(error) }).await?;
            }
            let cut_bytes = queue.lock().cut_bytes;
            send(packets, &CodeEvent::Ended { execution_count, execution_time_s, timed_out, state_lost, cut_bytes }).await?;
        }
        Err(error) => send(packets, &CodeEvent::Failed { error }).await?,
    }
    packets.close().await
}

async fn send(packets: &mut Packets, event: &CodeEvent) -> io::Result<()> {
    packets.send(Packet::message(event)?).await
}

/// The error, cut so that it fits into a packet.
fn fitting(mut error: CodeError) -> CodeError {
    for text in [&mut error.name, &mut error.value, &mut error.traceback] {
        text.truncate(text.floor_char_boundary(MAX_TEXT / 3));
    }
    error
}

/// Events on their way to the reader. Its clones are one.
#[derive(Debug, Clone, Default)]
struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<CodeEvent>,
    bytes: usize,
    cut_bytes: u64,
    /// Nobody reads any more.
    abandoned: bool,
}

/// Dropped when nobody reads any more.
struct Reader(Queue);

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        *state = State { abandoned: true, ..State::default() };
    }
}

impl Queue {
    async fn next(&self) -> CodeEvent {
        loop {
            if let Some(event) = self.pop() {
                return event;
            }
            self.0.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<CodeEvent> {
        let mut state = self.lock();
        let event = state.events.pop_front()?;
        state.bytes -= weight(&event);
        Some(event)
    }

    fn push(&self, event: CodeEvent) {
        let weight = weight(&event);
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        if state.bytes + weight > MAX_QUEUED {
            state.cut_bytes += (weight - OVERHEAD) as u64;
            return;
        }
        state.bytes += weight;
        state.events.push_back(event);
        drop(state);
        self.0.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(event: &CodeEvent) -> usize {
    OVERHEAD
        + match event {
            CodeEvent::Stdout { text } | CodeEvent::Stderr { text } => text.len(),
            CodeEvent::Result { result } => json_length(result),
            _ => 0,
        }
}

impl Output for Queue {
    fn starting(&mut self) {
        self.push(CodeEvent::Starting);
    }

    fn text(&mut self, stderr: bool, text: String) {
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_TEXT));
            let text = piece.to_owned();
            self.push(if stderr { CodeEvent::Stderr { text } } else { CodeEvent::Stdout { text } });
            rest = after;
        }
    }

    fn room(&self) -> usize {
        MAX_PACKET - 1024
    }

    fn result(&mut self, result: CodeResult, _: Option<String>) {
        self.push(CodeEvent::Result { result });
    }

    // What was shown cannot be taken back; the reader sees both.
    fn update(&mut self, result: CodeResult, _: &str) {
        self.push(CodeEvent::Result { result });
    }

    fn cut(&mut self, bytes: u64) {
        self.lock().cut_bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: CodeEvent) -> String {
        match event {
            CodeEvent::Stdout { text } | CodeEvent::Stderr { text } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_reader_does_not_take_is_bounded_and_counted() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.text(false, "é".repeat(MAX_TEXT / 2));
        }
        let mut kept = 0;
        while let Some(event) = queue.pop() {
            kept += text(event).len();
        }
        let cut = queue.lock().cut_bytes as usize;
        assert!(kept <= MAX_QUEUED && kept > MAX_QUEUED / 2 && kept + cut == 100 * MAX_TEXT, "{kept} {cut}");
        queue.text(true, "again".into());
        assert_eq!(text(queue.pop().unwrap()), "again");
    }

    #[test]
    fn every_event_fits_into_a_packet() {
        let mut queue = Queue::default();
        queue.text(false, "\u{1}".repeat(MAX_TEXT * 2 + 1));
        while let Some(event) = queue.pop() {
            Packet::message(&event).unwrap();
        }
        let text = || "\u{1}".repeat(4 << 20);
        Packet::message(&CodeEvent::Error { error: fitting(CodeError { name: text(), value: text(), traceback: text() }) }).unwrap();
    }

    #[test]
    fn an_abandoned_queue_keeps_nothing() {
        let mut queue = Queue::default();
        queue.text(false, "before".into());
        drop(Reader(queue.clone()));
        queue.text(false, "after".into());
        assert!(queue.pop().is_none() && queue.lock().bytes == 0);
    }
}
