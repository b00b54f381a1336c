//! Where the output of code goes: kept for a tool's result, or on its way to the reader of a stream.

use protocol::json_length;
use protocol::tools::code::{CodeResult, RunCodeResult};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::OutputLimit;

/// Bytes of all results of one piece of code together, as JSON.
const MAX_RESULTS_BYTES: usize = 32 << 20;
/// Results of one piece of code; further ones are left out.
const MAX_RESULTS: usize = 1000;
/// Pieces of one stream that stand for themselves; later text is added to the last.
const MAX_PIECES: usize = 1000;

/// Takes what code puts out, at once: a kernel's publications cannot be made to wait, they would be lost.
pub(crate) trait Output: Send + std::fmt::Debug {
    /// The kernel is being started.
    fn starting(&mut self) {}
    /// Text on standard output or error.
    fn text(&mut self, stderr: bool, text: String);
    /// How many bytes of JSON the next result may take.
    fn room(&self) -> usize;
    /// Something to show, with the name under which it can be changed.
    fn result(&mut self, result: CodeResult, name: Option<String>);
    /// What was shown under this name has changed.
    fn update(&mut self, result: CodeResult, name: &str);
    /// So many bytes of text were too much.
    fn cut(&mut self, bytes: u64);
}

/// Output that nobody wants.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Output for Nowhere {
    fn text(&mut self, _: bool, _: String) {}
    fn room(&self) -> usize {
        0
    }
    fn result(&mut self, _: CodeResult, _: Option<String>) {}
    fn update(&mut self, _: CodeResult, _: &str) {}
    fn cut(&mut self, _: u64) {}
}

/// Output kept for a tool's result, bounded. Its clones are one.
#[derive(Debug, Clone)]
pub(super) struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    limit: usize,
    stdout: Text,
    stderr: Text,
    results: Vec<CodeResult>,
    /// Where the results with a name stand.
    names: HashMap<String, usize>,
    results_bytes: usize,
    cut_bytes: u64,
}

#[derive(Debug, Default)]
struct Text {
    pieces: Vec<String>,
    bytes: usize,
}

impl Kept {
    /// Keeps the beginning of each stream.
    pub(super) fn new(limit: OutputLimit) -> Self {
        Self(Arc::new(Mutex::new(State { limit: limit.bytes_per_stream, ..State::default() })))
    }

    /// Hands over what was kept, in a result that otherwise says nothing.
    pub(super) fn take(&self) -> RunCodeResult {
        let state = std::mem::take(&mut *self.lock());
        RunCodeResult {
            results: state.results,
            stdout: state.stdout.pieces,
            stderr: state.stderr.pieces,
            error: None,
            execution_count: 0,
            execution_time_s: 0.0,
            timed_out: false,
            state_lost: false,
            cut_bytes: state.cut_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output for Kept {
    fn text(&mut self, stderr: bool, mut text: String) {
        let mut state = self.lock();
        let limit = state.limit;
        let stream = if stderr { &mut state.stderr } else { &mut state.stdout };
        let whole = text.len();
        text.truncate(text.floor_char_boundary(limit - stream.bytes));
        let cut = (whole - text.len()) as u64;
        stream.bytes += text.len();
        if cut > 0 {
            // A shorter text that comes later would fit, but stand at the wrong place.
            stream.bytes = limit;
        }
        let full = stream.pieces.len() >= MAX_PIECES;
        match stream.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if full => last.push_str(&text),
            _ => {
                text.shrink_to_fit();
                stream.pieces.push(text);
            }
        }
        state.cut_bytes += cut;
    }

    fn room(&self) -> usize {
        MAX_RESULTS_BYTES.saturating_sub(self.lock().results_bytes)
    }

    fn result(&mut self, result: CodeResult, name: Option<String>) {
        let mut state = self.lock();
        let bytes = json_length(&result);
        // The value of the last expression is what the caller asked for.
        if state.results.len() >= MAX_RESULTS && !result.is_main {
            state.cut_bytes += bytes as u64;
            return;
        }
        state.results_bytes += bytes;
        if let Some(name) = name {
            let index = state.results.len();
            state.names.insert(name, index);
        }
        state.results.push(result);
    }

    fn update(&mut self, result: CodeResult, name: &str) {
        let mut state = self.lock();
        // What an earlier piece of code showed is with its caller already.
        let Some(&index) = state.names.get(name) else { return };
        let is_main = state.results[index].is_main;
        let before = json_length(&state.results[index]);
        state.results_bytes = state.results_bytes - before + json_length(&result);
        state.results[index] = CodeResult { is_main, ..result };
    }

    fn cut(&mut self, bytes: u64) {
        self.lock().cut_bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(text: &str) -> CodeResult {
        serde_json::from_value(json!({"is_main": false, "data": {"text/plain": text}})).unwrap()
    }

    #[test]
    fn the_beginning_of_each_stream_is_kept() {
        let kept = Kept::new(OutputLimit { bytes_per_stream: 5 });
        let mut output: Box<dyn Output> = Box::new(kept.clone());
        for (stderr, text) in [(false, "ab"), (true, "x"), (false, "céé"), (false, "z"), (true, "")] {
            output.text(stderr, text.into());
        }
        let result = kept.take();
        assert_eq!((result.stdout, result.stderr, result.cut_bytes), (vec!["ab".into(), "cé".into()], vec!["x".into()], 3));
    }

    #[test]
    fn many_small_pieces_become_one() {
        let mut kept = Kept::new(OutputLimit { bytes_per_stream: 100_000 });
        for _ in 0..50_000 {
            kept.text(false, "a".into());
        }
        let stdout = kept.take().stdout;
        assert_eq!((stdout.len(), stdout.concat().len()), (MAX_PIECES, 50_000));
    }

    #[test]
    fn updates_change_what_is_shown() {
        let mut kept = Kept::new(OutputLimit::default());
        kept.result(shown("1"), Some("a".into()));
        kept.result(shown("2"), None);
        kept.update(shown("3"), "a");
        kept.update(shown("4"), "b");
        let room = kept.room();
        assert_eq!(kept.take().results, [shown("3"), shown("2")]);
        assert_eq!(room, MAX_RESULTS_BYTES - 2 * json_length(&shown("1")));
    }

    #[test]
    fn results_are_bounded_but_the_main_one_comes() {
        let mut kept = Kept::new(OutputLimit::default());
        for _ in 0..2 * MAX_RESULTS {
            kept.result(shown("x"), None);
        }
        kept.result(CodeResult { is_main: true, ..shown("m") }, None);
        let result = kept.take();
        assert!(result.results.len() == MAX_RESULTS + 1 && result.results[MAX_RESULTS].is_main && result.cut_bytes > 0);
    }
}
