//! Who looks at a terminal, and what nobody has seen yet.

use super::ring::Ring;
use bytes::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Pieces that wait for one reader. When they are full the terminal, and so its program, waits for that reader.
const PIECES: usize = 4;

/// Where a terminal shows what it shows.
#[derive(Debug, Default)]
pub(super) struct Screen(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    lookers: Vec<mpsc::Sender<Bytes>>,
    /// How many places there are, also after the end, when there is nothing to send to them any more.
    attached: usize,
    unseen: Ring,
    exit_code: Option<i32>,
}

/// A piece of what is shown.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// These bytes.
    Bytes(Bytes),
    /// The program ended; nothing comes after it.
    Exited(i32),
}

/// One reader's place before the screen; dropped, it goes away and leaves what it has not seen to the next one.
#[derive(Debug)]
pub(super) struct Attachment<'a> {
    screen: &'a Screen,
    first: Option<Bytes>,
    /// What was given out last; seen when the next is asked for.
    leaving: Option<Bytes>,
    shown: mpsc::Receiver<Bytes>,
}

impl Screen {
    /// A place for one more reader, who sees all from now on and first what nobody has seen.
    pub(super) fn attach(&self) -> Attachment<'_> {
        let (sender, shown) = mpsc::channel(PIECES);
        let mut state = self.lock();
        let first = Some(state.unseen.take()).filter(|bytes| !bytes.is_empty()).map(Bytes::from);
        state.attached += 1;
        if state.exit_code.is_none() {
            state.lookers.push(sender);
        }
        Attachment { screen: self, first, leaving: None, shown }
    }

    /// Shows `bytes` to everybody there, as fast as the slowest reads; keeps them when nobody is.
    pub(super) async fn show(&self, bytes: Bytes) {
        loop {
            let lookers = {
                let mut state = self.lock();
                let lookers = state.lookers();
                if lookers.is_empty() {
                    state.unseen.push(&bytes);
                    return;
                }
                lookers
            };
            let mut seen = false;
            for looker in lookers {
                seen |= looker.send(bytes.clone()).await.is_ok();
            }
            // All may have gone while they were waited for; then it is for whoever is there now.
            if seen {
                return;
            }
        }
    }

    /// Tells everybody, now and later, that the program ended. Nobody waits for one who does not read: each finds it at the
    /// end of what was shown.
    pub(super) fn end(&self, exit_code: i32) {
        let mut state = self.lock();
        state.exit_code = Some(exit_code);
        state.lookers.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lookers(&mut self) -> Vec<mpsc::Sender<Bytes>> {
        self.lookers.retain(|looker| !looker.is_closed());
        self.lookers.clone()
    }
}

impl Attachment<'_> {
    /// What is shown next. Asking says that what was given out before has been seen.
    pub(super) async fn next(&mut self) -> Shown {
        self.leaving = None;
        let bytes = match self.first.take() {
            Some(first) => Some(first),
            None => self.shown.recv().await,
        };
        self.leaving.clone_from(&bytes);
        // The screen lets go of the sender when it knows the exit code.
        bytes.map_or_else(|| Shown::Exited(self.screen.lock().exit_code.unwrap_or(255)), Shown::Bytes)
    }
}

impl Drop for Attachment<'_> {
    fn drop(&mut self) {
        let mut state = self.screen.lock();
        // Closed under the lock: what the terminal could not give us any more, it keeps after what we leave here.
        self.shown.close();
        state.attached -= 1;
        if state.attached > 0 {
            return;
        }
        for bytes in [self.leaving.take(), self.first.take()].into_iter().flatten() {
            state.unseen.push(&bytes);
        }
        while let Ok(bytes) = self.shown.try_recv() {
            state.unseen.push(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    fn piece(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    async fn next(attachment: &mut Attachment<'_>) -> String {
        match attachment.next().await {
            Shown::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Shown::Exited(code) => format!("exited {code}"),
        }
    }

    #[tokio::test]
    async fn what_nobody_saw_goes_to_the_next_and_the_exit_to_all() {
        let screen = Screen::default();
        screen.show(piece("a")).await;
        screen.show(piece("b")).await;
        let mut first = screen.attach();
        screen.show(piece("c")).await;
        let mut second = screen.attach();
        screen.show(piece("d")).await;
        assert_eq!((next(&mut first).await, next(&mut first).await, next(&mut first).await), ("ab".into(), "c".into(), "d".into()));
        assert_eq!(next(&mut second).await, "d");
        drop(first);
        screen.show(piece("e")).await;
        screen.show(piece("f")).await;
        assert_eq!(next(&mut second).await, "e");
        drop(second);
        screen.show(piece("g")).await;
        let mut third = screen.attach();
        assert_eq!(next(&mut third).await, "efg", "what was on the way to the last one is not lost");
        screen.end(3);
        assert_eq!(next(&mut third).await, "exited 3");
        assert_eq!(next(&mut screen.attach()).await, "exited 3");
    }

    #[tokio::test]
    async fn one_who_does_not_read_keeps_the_exit_from_nobody() {
        let screen = Screen::default();
        let (mut stuck, mut other) = (screen.attach(), screen.attach());
        for _ in 0..PIECES {
            screen.show(piece("x")).await;
            assert_eq!(next(&mut other).await, "x");
        }
        screen.end(5);
        assert_eq!(next(&mut other).now_or_never().expect("it is told at once"), "exited 5");
        drop(other);
        for _ in 0..PIECES {
            assert_eq!(next(&mut stuck).await, "x", "all that was shown comes first");
        }
        assert_eq!(next(&mut stuck).await, "exited 5");
    }

    #[tokio::test]
    async fn who_goes_after_the_end_leaves_the_rest_to_the_next() {
        let screen = Screen::default();
        let first = screen.attach();
        screen.show(piece("last words")).await;
        screen.end(0);
        drop(first);
        let mut second = screen.attach();
        assert_eq!((next(&mut second).await, next(&mut second).await), ("last words".into(), "exited 0".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_holds_the_terminal_until_it_goes() {
        let screen = Screen::default();
        let (slow, mut quick) = (screen.attach(), screen.attach());
        let showing = async {
            for _ in 0..=PIECES {
                screen.show(piece("x")).await;
            }
        };
        tokio::pin!(showing);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut showing).await.is_err());
        drop(slow);
        // The quick one takes its pieces meanwhile.
        tokio::join!(showing, async {
            for _ in 0..=PIECES {
                assert_eq!(next(&mut quick).await, "x");
            }
        });
    }
}
