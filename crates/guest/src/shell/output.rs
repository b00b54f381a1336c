//! A command's output: the beginning is kept, the rest is counted, and the command is never made to wait.

use crate::process;
use protocol::tools::shell::Cut;
use std::io;
use std::os::fd::OwnedFd;
use tokio::net::unix::pipe::Receiver;

/// Bytes read at once: what a pipe holds by default.
const CHUNK: usize = 64 * 1024;
/// A pipe of ours holds no more than this, so a drain after the command's end reads all the command itself wrote.
const PIPE_CAPACITY: usize = CHUNK;

/// One output stream of a command.
#[derive(Debug)]
pub(super) struct Capture {
    pipe: Option<Receiver>,
    limit: usize,
    kept: Vec<u8>,
    total: u64,
}

impl Capture {
    /// A pipe and its writing end for the command; of what comes, the first `limit` bytes are kept.
    pub(super) fn new(limit: usize) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let pipe = Some(Receiver::from_owned_fd(reader.into())?);
        Ok((Self { pipe, limit, kept: Vec::new(), total: 0 }, writer.into()))
    }

    /// Reads until every writer has closed. May be dropped at any await and called again.
    pub(super) async fn pump(&mut self) {
        while let Some(pipe) = &self.pipe {
            if pipe.readable().await.is_err() {
                self.pipe = None;
                return;
            }
            self.read_some();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Reads what is in the pipe without waiting. Bounded, because a background process may write for ever.
    pub(super) fn drain(&mut self) {
        let mut left = PIPE_CAPACITY;
        while let Some(pipe) = self.pipe.as_ref().filter(|_| left > 0) {
            let bytes = process::read_now(pipe, left);
            if bytes.is_empty() {
                return;
            }
            left -= bytes.len();
            self.keep(&bytes);
        }
    }

    /// The pipe, if a background process still holds it.
    pub(super) fn left_open(&mut self) -> Option<Receiver> {
        self.pipe.take()
    }

    /// The text, and where it was cut.
    pub(super) fn finish(mut self) -> (String, Option<Cut>) {
        let cut = self.total > self.kept.len() as u64;
        if cut {
            self.kept.truncate(whole_characters(&self.kept));
        }
        let cut = cut.then_some(Cut { kept_bytes: self.kept.len() as u64, total_bytes: self.total });
        let text = String::from_utf8(self.kept).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (text, cut)
    }

    fn read_some(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let mut chunk = [0; CHUNK];
        match pipe.try_read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(count) => self.keep(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.pipe = None,
        }
    }
}

/// Length of `bytes` without a character that was cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for start in (tail..bytes.len()).rev() {
        if bytes[start] & 0b1100_0000 == 0b1000_0000 {
            continue; // inside a character; its first byte lies further left
        }
        let unfinished = std::str::from_utf8(&bytes[start..]).is_err_and(|error| error.error_len().is_none());
        return if unfinished { start } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_a_character_that_was_cut_is_dropped() {
        let check = |bytes: &[u8], length| assert_eq!(whole_characters(bytes), length, "{bytes:x?}");
        check(b"", 0);
        check(b"abc", 3);
        check("aé".as_bytes(), 3);
        check(&"aé".as_bytes()[..2], 1);
        check(&"a€".as_bytes()[..3], 1);
        check(&"a😀".as_bytes()[..4], 1);
        check("a😀".as_bytes(), 5);
        check(b"a\xff", 2); // never was UTF-8: stands as U+FFFD, not as a cut
        check(b"\x80\x80\x80\x80", 4);
    }

    async fn captured(limit: usize, bytes: &[u8]) -> (String, Option<Cut>) {
        let (mut capture, writer) = Capture::new(limit).unwrap();
        let mut writer = std::fs::File::from(writer);
        let bytes = bytes.to_owned();
        let thread = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
        capture.pump().await;
        thread.join().unwrap();
        capture.finish()
    }

    #[tokio::test]
    async fn a_drain_reads_what_the_runtime_has_not_heard_of() {
        let (mut capture, writer) = Capture::new(100).unwrap();
        // Nothing awaits between the write and the drain, so the runtime cannot know.
        std::fs::File::from(writer).write_all(b"just now").unwrap();
        capture.drain();
        assert_eq!(capture.finish(), ("just now".into(), None));
    }

    #[tokio::test]
    async fn the_beginning_is_kept_and_the_rest_counted() {
        assert_eq!(captured(10, b"short").await, ("short".into(), None));
        assert_eq!(captured(5, b"exact").await, ("exact".into(), None));
        let cut = Some(Cut { kept_bytes: 4, total_bytes: 6 });
        assert_eq!(captured(5, "abcdé".as_bytes()).await, ("abcd".into(), cut));
        let big = vec![b'x'; 3_000_000];
        let (text, cut) = captured(1000, &big).await;
        assert_eq!((text.len(), cut), (1000, Some(Cut { kept_bytes: 1000, total_bytes: 3_000_000 })));
    }
}
