//! Files as readers and writers.

use crate::{Error, Result};
use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;
use tokio_util::sync::PollSender;

/// Pieces that wait for the network before the writer waits too.
const WAITING_PIECES: usize = 8;
/// Most bytes in a piece.
const PIECE: usize = 64 << 10;

/// A file being read. An end before the file's own is an error.
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> Result<(), Box<dyn std::error::Error>> {
/// use tokio::io::AsyncReadExt;
/// let mut reader = session.files().open_read("/var/log/big.log").await?;
/// let mut head = vec![0; 512];
/// reader.read_exact(&mut head).await?;
/// # Ok(()) }
/// ```
pub struct FileReader {
    reader: StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>,
    length: Option<u64>,
    mode: Option<u32>,
}

impl FileReader {
    pub(crate) fn new(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static, length: Option<u64>, mode: Option<u32>) -> Self {
        Self { reader: StreamReader::new(Box::pin(bytes)), length, mode }
    }

    /// How many bytes come in all, when that is known beforehand.
    ///
    /// ```no_run
    /// # fn example(reader: roadstead_sdk::FileReader) {
    /// println!("{:?} bytes", reader.len());
    /// # }
    /// ```
    #[allow(clippy::len_without_is_empty, reason = "whether there is anything is known by reading")]
    pub fn len(&self) -> Option<u64> {
        self.length
    }

    /// The file's permission bits, when the service tells them.
    ///
    /// ```no_run
    /// # fn example(reader: roadstead_sdk::FileReader) {
    /// println!("{:04o}", reader.permissions().unwrap_or(0o644));
    /// # }
    /// ```
    pub fn permissions(&self) -> Option<u32> {
        self.mode
    }
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").field("length", &self.length).finish_non_exhaustive()
    }
}

impl AsyncRead for FileReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

/// A file being written. [`FileWriter::finish`] (or a shutdown, as `AsyncWrite` has it) puts the content in place and
/// tells whether that worked; a writer that is dropped before leaves the file as it was. (Appending puts bytes in place
/// as they come.)
///
/// ```no_run
/// # async fn example(session: roadstead_sdk::Session) -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = session.files().open_write("/tmp/copy.bin").await?;
/// tokio::io::copy(&mut tokio::io::repeat(7), &mut writer).await?;
/// println!("{} bytes", writer.finish().await?);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a writer that is not finished writes nothing"]
pub struct FileWriter {
    pieces: PollSender<Option<Bytes>>,
    task: JoinHandle<Result<u64>>,
    ended: bool,
    outcome: Option<Result<u64>>,
}

impl FileWriter {
    /// Where pieces go, and where the task that sends them gets them. `None` is the end; a channel that closes without
    /// it is a writer that was dropped.
    pub(crate) fn pieces() -> (mpsc::Sender<Option<Bytes>>, mpsc::Receiver<Option<Bytes>>) {
        mpsc::channel(WAITING_PIECES)
    }

    pub(crate) fn new(pieces: mpsc::Sender<Option<Bytes>>, task: JoinHandle<Result<u64>>) -> Self {
        Self { pieces: PollSender::new(pieces), task, ended: false, outcome: None }
    }

    /// Ends the file and waits until it is in place; how many bytes were written.
    ///
    /// ```no_run
    /// # async fn example(session: roadstead_sdk::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::io::AsyncWriteExt;
    /// let mut writer = session.files().open_write("/tmp/a").await?;
    /// writer.write_all(b"abc").await?;
    /// assert_eq!(writer.finish().await?, 3);
    /// # Ok(()) }
    /// ```
    pub async fn finish(mut self) -> Result<u64> {
        std::future::poll_fn(|cx| self.poll_end(cx)).await;
        self.outcome.take().unwrap_or_else(|| Err(Error::lost("writing a file", "it was finished before")))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            // When the task has gone already, it tells why below.
            if ready!(self.pieces.poll_reserve(cx)).is_ok() {
                let _ = self.pieces.send_item(None);
            }
            self.ended = true;
        }
        ready!(self.poll_outcome(cx));
        Poll::Ready(())
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<&Result<u64>> {
        if self.outcome.is_none() {
            let done = ready!(Pin::new(&mut self.task).poll(cx));
            self.outcome = Some(done.unwrap_or_else(|error| Err(Error::lost("writing a file", error))));
        }
        Poll::Ready(self.outcome.get_or_insert_with(|| Ok(0)))
    }

    /// Why the task that sends the pieces ended early.
    fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let failure = match ready!(self.poll_outcome(cx)) {
            Ok(_) => io::Error::new(io::ErrorKind::BrokenPipe, "the file was finished before"),
            Err(error) => io::Error::other(error.to_string()),
        };
        Poll::Ready(failure)
    }
}

impl AsyncWrite for FileWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended || ready!(self.pieces.poll_reserve(cx)).is_err() {
            return self.poll_failure(cx).map(Err);
        }
        let count = bytes.len().min(PIECE);
        match self.pieces.send_item(Some(Bytes::copy_from_slice(&bytes[..count]))) {
            Ok(()) => Poll::Ready(Ok(count)),
            Err(_) => self.poll_failure(cx).map(Err),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_end(cx));
        match ready!(self.poll_outcome(cx)) {
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(io::Error::other(error.to_string()))),
        }
    }
}
