//! How far a copy is, for a person who waits.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines.
const PERIOD: Duration = Duration::from_millis(200);

/// A line on standard error that is drawn anew, when a person reads it. It is gone when the copy is over.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    total: Option<u64>,
    moved: u64,
    next: Instant,
    drawn: bool,
}

impl Progress {
    pub(super) fn new(wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        Self { shown, total: None, moved: 0, next: Instant::now() + PERIOD, drawn: false }
    }

    /// How many bytes there are in all, when that is known.
    pub(super) fn of(mut self, total: Option<u64>) -> Self {
        self.total = total;
        self
    }

    /// So many more bytes have been moved.
    pub(super) fn add(&mut self, count: usize) {
        self.moved += count as u64;
        if self.shown && Instant::now() >= self.next {
            self.draw();
            self.next = Instant::now() + PERIOD;
        }
    }

    /// Bytes so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    fn draw(&mut self) {
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let text = match self.total {
            Some(total) => format!("{:.1} of {:.1} MiB", mebibytes(self.moved), mebibytes(total)),
            None => format!("{:.1} MiB", mebibytes(self.moved)),
        };
        // Nobody can be told that nobody can be told.
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        self.drawn = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
