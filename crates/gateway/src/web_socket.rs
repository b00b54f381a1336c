//! What every WebSocket of ours keeps to: bounded messages, pings, a client that is gone is noticed, closes say why.
//!
//! Both halves are bounded by their reader: a client that does not read stops whoever sends to it, and what is not taken
//! from [`Incoming`] stays with the client.

use crate::app::App;
use axum::body::Body;
use control::Identity;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use types::{ErrorCode, Fault};

pub(crate) use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Longest message taken from a client, bytes: the longest packet a guest takes, twice, because JSON escapes.
const MAX_MESSAGE: usize = 2 << 20;
/// How long a client may take to answer a close.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// Longest reason of a close, bytes: what its frame has room for.
const MAX_REASON: usize = 123;

/// A connection to a client after its handshake.
pub(crate) type WebSocket<S = TokioIo<Upgraded>> = WebSocketStream<S>;

/// Why a request does not become a WebSocket.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It asks for none.
    NoHandshake,
    /// The server takes no more, or stops.
    Fault(Fault),
}

impl Refused {
    /// For a request that asks for none.
    pub(crate) const NO_HANDSHAKE: &'static str = "this address is a WebSocket of version 13";
}

/// Answers a handshake. `serve` then has the connection in a task of its own, which counts as a request and is waited for
/// when the server stops.
pub(crate) fn upgrade<F>(
    app: &Arc<App>,
    request: &mut Request<Body>,
    serve: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Result<Response<Body>, Refused>
where
    F: Future<Output = ()> + Send,
{
    let accept = accept(request).ok_or(Refused::NoHandshake)?;
    if app.draining.is_cancelled() {
        let text = "the server is stopping; try again when it is back";
        return Err(Refused::Fault(Fault::new(ErrorCode::Unavailable, text)));
    }
    // The request's own place ends with its answer; its WebSocket goes on.
    let place = app.admission.request().map_err(Refused::Fault)?;
    let upgrading = hyper::upgrade::on(request);
    let limit = app.timeouts.handshake;
    app.work.spawn(async move {
        match tokio::time::timeout(limit, upgrading).await {
            Ok(Ok(upgraded)) => serve(bounded(TokioIo::new(upgraded)).await).await,
            Ok(Err(error)) => tracing::debug!(%error, "a WebSocket's handshake failed"),
            Err(_) => tracing::debug!("a WebSocket's handshake timed out"),
        }
        drop(place);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// A WebSocket on what the handshake left, with our bounds on messages.
pub(crate) async fn bounded<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocket<S> {
    let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await
}

/// The two halves of a WebSocket.
pub(crate) fn halves<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocket<S>, app: &App) -> (Incoming<S>, Outgoing<S>) {
    let (sink, stream) = socket.split();
    let every = app.timeouts.socket_ping;
    let mut pings = tokio::time::interval_at(Instant::now() + every, every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    (Incoming { messages: stream, silence: app.timeouts.silence }, Outgoing { messages: sink, pings })
}

/// Waits until the key that something was opened with no longer holds.
pub(crate) async fn revoked(app: &App, identity: &Identity) -> Fault {
    loop {
        tokio::time::sleep(app.timeouts.socket_recheck).await;
        match app.control.check_not_revoked(&identity.tenant, &identity.key).await {
            Err(fault) if fault.code() == ErrorCode::Unauthenticated => return fault,
            // Whether it holds cannot be said now; the next look may tell.
            _ => {}
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
}

/// Why nothing more comes from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It closed or broke off.
    Gone,
    /// It has been silent for too long, even to pings.
    Silent,
    /// It said what cannot be taken: what a close is to tell it.
    Unreadable(CloseCode, String),
}

/// The client's half.
#[derive(Debug)]
pub(crate) struct Incoming<S = TokioIo<Upgraded>> {
    messages: SplitStream<WebSocket<S>>,
    silence: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Incoming<S> {
    /// The next message. Can be dropped and asked again; the time of silence begins anew then.
    pub(crate) async fn next(&mut self) -> Result<Said, Lost> {
        loop {
            match tokio::time::timeout(self.silence, self.messages.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Ok(Said::Text(text)),
                Ok(Some(Ok(Message::Binary(bytes)))) => return Ok(Said::Binary(bytes)),
                // Pings have been answered by now; a pong is a sign of life, which is all it is for.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Ok(Some(Ok(Message::Close(_))) | None) => return Err(Lost::Gone),
                Ok(Some(Err(error))) => return Err(lost(&error)),
                Err(_) => return Err(Lost::Silent),
            }
        }
    }
}

/// Our half.
#[derive(Debug)]
pub(crate) struct Outgoing<S = TokioIo<Upgraded>> {
    messages: SplitSink<WebSocket<S>, Message>,
    pings: Interval,
}

/// The client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl<S: AsyncRead + AsyncWrite + Unpin> Outgoing<S> {
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
    pub(crate) async fn close(mut self, mut incoming: Incoming<S>, code: CloseCode, reason: Cow<'static, str>) {
        let mut reason = reason.into_owned();
        while reason.len() > MAX_REASON {
            reason.pop();
        }
        let frame = CloseFrame { code, reason: reason.into() };
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

/// The proof that a handshake was understood.
fn accept(request: &Request<Body>) -> Option<HeaderValue> {
    let headers: &HeaderMap = request.headers();
    let has = |name: header::HeaderName, wanted: &str| {
        let texts = headers.get_all(name).iter().filter_map(|text| text.to_str().ok());
        texts.flat_map(|text| text.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let asked = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket") && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asked && request.method() == Method::GET)?;
    Some(HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 fits into a header"))
}

fn lost(error: &Error) -> Lost {
    tracing::debug!(%error, "a WebSocket broke off");
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Lost::Unreadable(CloseCode::Size, format!("a message of {size} bytes; at most {max_size} are taken"))
        }
        Error::Capacity(_) => Lost::Unreadable(CloseCode::Size, "a message that is too large".into()),
        Error::Utf8(_) => Lost::Unreadable(CloseCode::Invalid, "a text that is not UTF-8".into()),
        // Most clients leave without a good-bye.
        Error::Protocol(error) if !matches!(error, ProtocolError::ResetWithoutClosingHandshake) => {
            Lost::Unreadable(CloseCode::Protocol, error.to_string())
        }
        _ => Lost::Gone,
    }
}
