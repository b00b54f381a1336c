//! What a command writes, on its way to the host.

use crate::process;
use crate::streams::{ToHost, say};
use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use protocol::packet::Packet;
use protocol::streams::ExecOutput;
use std::future::{pending, poll_fn};
use std::io;
use tokio::net::unix::pipe::Receiver;

/// Bytes read at once: all that a pipe holds by default.
const CHUNK: usize = 64 * 1024;

pub(super) struct Output {
    host: ToHost,
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    buffer: BytesMut,
}

type Channel = fn(Bytes) -> Packet;

impl Output {
    pub(super) fn new(host: ToHost, stdout: Receiver, stderr: Receiver) -> Self {
        Self { host, stdout: Some(stdout), stderr: Some(stderr), buffer: BytesMut::new() }
    }

    /// Sends the next piece. May be dropped at any await and called again: a piece is read only when there is room for it,
    /// and then kept until it has left.
    ///
    /// # Errors
    /// The host has gone.
    pub(super) async fn forward(&mut self) -> io::Result<()> {
        self.host.flush().await?;
        poll_fn(|cx| self.host.poll_ready_unpin(cx)).await?;
        tokio::select! {
            () = readable(&self.stdout) => take(&mut self.stdout, &mut self.buffer, &mut self.host, Packet::Data)?,
            () = readable(&self.stderr) => take(&mut self.stderr, &mut self.buffer, &mut self.host, Packet::Stderr)?,
        };
        self.host.flush().await
    }

    /// Sends what the command itself left in its pipes, which is no more than they hold, and then `last`.
    ///
    /// # Errors
    /// The host has gone.
    pub(super) async fn finish(&mut self, last: &ExecOutput) -> io::Result<()> {
        self.host.flush().await?;
        for (pipe, channel) in [(&self.stdout, Packet::Data as Channel), (&self.stderr, Packet::Stderr)] {
            let mut left = CHUNK;
            while let Some(pipe) = pipe.as_ref().filter(|_| left > 0) {
                let bytes = process::read_now(pipe, left);
                if bytes.is_empty() {
                    break;
                }
                left -= bytes.len();
                self.host.send(channel(bytes.into())).await?;
            }
        }
        say(&mut self.host, last).await
    }

    /// The pipes that somebody in the background still holds.
    pub(super) fn left_open(self) -> impl Iterator<Item = Receiver> {
        [self.stdout, self.stderr].into_iter().flatten()
    }
}

async fn readable(pipe: &Option<Receiver>) {
    match pipe {
        // An error shows itself when the pipe is read.
        Some(pipe) => drop(pipe.readable().await),
        None => pending().await,
    }
}

/// Moves what is in the pipe to the host, which must be ready for it.
fn take(pipe: &mut Option<Receiver>, buffer: &mut BytesMut, host: &mut ToHost, channel: Channel) -> io::Result<()> {
    let Some(reader) = pipe else { return Ok(()) };
    buffer.reserve(CHUNK);
    match reader.try_read_buf(buffer) {
        Ok(0) => *pipe = None,
        Ok(_) => host.start_send_unpin(channel(buffer.split().freeze()))?,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(_) => *pipe = None,
    }
    Ok(())
}
