//! What the host says to a command: bytes for its standard input, its end, signals.

use crate::streams::FromHost;
use bytes::{Buf, Bytes};
use futures::StreamExt;
use protocol::packet::Packet;
use protocol::streams::ExecInput;
use std::collections::VecDeque;
use std::io;
use tokio::net::unix::pipe::Sender;

/// Bytes of standard input that are taken ahead of the program, so that a signal behind them is heard in time.
const AHEAD: usize = 1 << 20;

pub(super) struct Input {
    host: FromHost,
    stdin: Option<Sender>,
    ahead: VecDeque<Bytes>,
    ahead_bytes: usize,
    over: bool,
}

impl Input {
    /// Bytes of the host go to `stdin`, or nowhere.
    pub(super) fn new(host: FromHost, stdin: Option<Sender>) -> Self {
        Self { host, stdin, ahead: VecDeque::new(), ahead_bytes: 0, over: false }
    }

    /// Feeds the command until the host sends a signal. May be dropped at any await and called again.
    ///
    /// # Errors
    /// The host has gone or talks nonsense.
    pub(super) async fn next_signal(&mut self) -> io::Result<i32> {
        loop {
            if self.over && self.ahead.is_empty() {
                self.stdin = None;
            }
            let writable = async {
                match &self.stdin {
                    Some(stdin) if !self.ahead.is_empty() => stdin.writable().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                packet = self.host.next(), if self.ahead_bytes < AHEAD => {
                    let packet = packet.ok_or(io::ErrorKind::UnexpectedEof)??;
                    if let Some(signal) = self.take(packet)? {
                        return Ok(signal);
                    }
                }
                writable = writable => {
                    if writable.and_then(|()| self.write_some()).is_err() {
                        self.discard();
                    }
                }
            }
        }
    }

    fn take(&mut self, packet: Packet) -> io::Result<Option<i32>> {
        match packet {
            Packet::Data(bytes) => {
                if self.stdin.is_some() && !self.over && !bytes.is_empty() {
                    self.ahead_bytes += bytes.len();
                    self.ahead.push_back(bytes);
                }
            }
            message => match message.parse()? {
                ExecInput::Eof => self.over = true,
                ExecInput::Signal { signal } => return Ok(Some(signal)),
            },
        }
        Ok(None)
    }

    fn write_some(&mut self) -> io::Result<()> {
        let (Some(stdin), Some(bytes)) = (&self.stdin, self.ahead.front_mut()) else { return Ok(()) };
        match stdin.try_write(bytes) {
            Ok(count) => {
                self.ahead_bytes -= count;
                bytes.advance(count);
                if bytes.is_empty() {
                    self.ahead.pop_front();
                }
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The command has closed its standard input: what comes for it goes nowhere.
    fn discard(&mut self) {
        self.stdin = None;
        self.ahead.clear();
        self.ahead_bytes = 0;
    }
}
