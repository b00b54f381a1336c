//! Pipes that programs in the background still hold after their command has ended.

use std::io;
use std::sync::Arc;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Semaphore;

/// Pipes that background processes may keep open at once. A pipe beyond that is closed.
const MAX_LEFT_OPEN: usize = 1024;

/// What is in the pipe right now, at most `limit` bytes.
///
/// Asks the kernel itself: the runtime may not know yet that a program wrote something right before an end that it knows of.
pub(crate) fn read_now(pipe: &Receiver, limit: usize) -> Vec<u8> {
    let mut bytes = vec![0; limit];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut bytes[..])).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

/// Reads on, into nothing, what background processes write after their command has ended. Were their pipe closed they
/// would die of SIGPIPE; were it left full they would block for ever.
#[derive(Debug)]
pub(super) struct LeftOpen(Arc<Semaphore>);

impl Default for LeftOpen {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LEFT_OPEN)))
    }
}

impl LeftOpen {
    pub(super) fn take(&self, pipe: Receiver) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _place = place;
            while pipe.readable().await.is_ok() {
                match pipe.try_read(&mut [0; 16 * 1024]) {
                    Ok(0) => return,
                    Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return,
                    Ok(_) | Err(_) => {}
                }
            }
        });
    }
}
