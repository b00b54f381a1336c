//! What every WebSocket of ours keeps to: bounded messages, pings, a client that is gone is noticed, closes say why.
//!
//! Both halves are bounded by their reader: a client that does not read stops whoever sends to it, and what is not taken
//! from [`Incoming`] stays with the client.

use crate::config::Timeouts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Longest message taken from a client, bytes: the longest packet a guest takes, twice, because JSON escapes.
const MAX_MESSAGE: usize = 2 << 20;
/// How long a client may take to answer a close.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Why a WebSocket ends, in the numbers of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// All has been said.
    Normal = 1000,
    /// The server stops.
    Away = 1001,
    /// The client said what it may not say.
    Policy = 1008,
    /// It broke on our side.
    Failed = 1011,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
}

/// The client's half.
#[derive(Debug)]
pub(crate) struct Incoming {
    messages: SplitStream<WebSocket>,
    silence: Duration,
}

/// Our half.
#[derive(Debug)]
pub(crate) struct Outgoing {
    messages: SplitSink<WebSocket, Message>,
    pings: Interval,
}

/// The client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// An upgrade with our bounds on messages.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE)
}

/// The two halves of a WebSocket.
pub(crate) fn halves(socket: WebSocket, timeouts: &Timeouts) -> (Incoming, Outgoing) {
    let (sink, stream) = socket.split();
    let mut pings = tokio::time::interval_at(Instant::now() + timeouts.socket_ping, timeouts.socket_ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    (Incoming { messages: stream, silence: timeouts.stream_silence }, Outgoing { messages: sink, pings })
}

impl Incoming {
    /// The next message; `Gone` when the client closed, broke off or has been silent for too long. Can be dropped and
    /// asked again.
    pub(crate) async fn next(&mut self) -> Result<Said, Gone> {
        loop {
            let next = tokio::time::timeout(self.silence, self.messages.next()).await;
            match next {
                Ok(Some(Ok(Message::Text(text)))) => return Ok(Said::Text(text)),
                Ok(Some(Ok(Message::Binary(bytes)))) => return Ok(Said::Binary(bytes)),
                // Pings have been answered by now; a pong is a sign of life, which is all it is for.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(Some(Ok(Message::Close(_))) | None) => return Err(Gone),
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "a WebSocket broke off");
                    return Err(Gone);
                }
                Err(_) => {
                    tracing::debug!(silence = ?self.silence, "a WebSocket's client fell silent");
                    return Err(Gone);
                }
            }
        }
    }
}

impl Outgoing {
    /// Sends a text message; waits while the client does not read.
    pub(crate) async fn text(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Gone> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends a binary message; waits while the client does not read.
    pub(crate) async fn binary(&mut self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.send(Message::Binary(bytes.into())).await
    }

    /// Waits until it is time for a ping. Can be dropped and asked again.
    pub(crate) async fn ping_due(&mut self) {
        self.pings.tick().await;
    }

    /// Sends a ping.
    pub(crate) async fn ping(&mut self) -> Result<(), Gone> {
        self.send(Message::Ping(Bytes::new())).await
    }

    /// Says why it ends and waits, for a bounded time, until the client has read it: a connection that is closed with
    /// bytes unread is reset, and what was last said could be lost.
    pub(crate) async fn close(mut self, mut incoming: Incoming, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code: code as u16, reason: Utf8Bytes::from_static(reason) };
        let parting = async {
            if self.send(Message::Close(Some(frame))).await.is_ok() {
                while incoming.next().await.is_ok() {}
            }
        };
        // A client that does not answer has lost nothing that it would have read.
        let _ = tokio::time::timeout(CLOSE_TIME, parting).await;
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        self.messages.send(message).await.map_err(|error| {
            tracing::debug!(%error, "a WebSocket's client has gone");
            Gone
        })
    }
}
