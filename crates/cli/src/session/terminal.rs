//! The person's terminal: raw while a program inside a session has it, and as it was on every way out.

use crate::failure::Failure;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{IsTerminal, Read};
use tokio::sync::mpsc;

/// Columns and rows when a terminal does not know its own.
const USUAL_SIZE: (u16, u16) = (80, 24);
/// Most columns or rows a session's terminal can have.
const MAX_SIZE: u16 = 500;
/// Bytes read at once, and how many such pieces wait at most.
const PIECE: usize = 16 << 10;
const WAITING_PIECES: usize = 4;

/// A terminal in raw mode; dropping it puts it back.
#[derive(Debug)]
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    /// Puts the terminal on standard input into raw mode: every key goes inside, Ctrl-C too.
    pub(super) fn enter() -> Result<Self, Failure> {
        let stdin = std::io::stdin();
        let failed = |error| Failure::new(format!("preparing this terminal failed: {error}"));
        let before = tcgetattr(&stdin).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no care.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Whether a person types on standard input.
pub(super) fn on_stdin() -> bool {
    std::io::stdin().is_terminal()
}

/// Columns and rows, as a session's terminal can have them.
pub(super) fn size() -> (u16, u16) {
    let (cols, rows) = tcgetwinsize(std::io::stdin()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let usable = |count: u16, usual| if count == 0 { usual } else { count.min(MAX_SIZE) };
    (usable(cols, USUAL_SIZE.0), usable(rows, USUAL_SIZE.1))
}

/// What comes on standard input, until it ends. A thread of its own reads it, and not the runtime's: nothing can wake a
/// thread that waits for a key, and the program is not to wait for it.
pub(crate) fn stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    std::thread::spawn(move || {
        let mut buffer = [0; PIECE];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}
