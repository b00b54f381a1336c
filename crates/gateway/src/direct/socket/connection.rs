//! One connection from its handshake to its end.

use super::frame::Invocation;
use super::outbox::{self, Gone, Outgoing, SendError};
use super::peer::Peer;
use super::{code, terminal, watch};
use crate::app::App;
use control::OpContext;
use futures::{SinkExt, Stream, StreamExt};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_util::sync::CancellationToken;
use types::{ErrorCode, SessionId};

/// What runs on one connection at once: invocations, terminals and watches together.
const MAX_RUNNING: usize = 512;
/// How long the good-bye may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Why a connection ends. `None` for the code: there is nobody to tell it.
#[derive(Debug)]
struct End {
    code: Option<CloseCode>,
    reason: Cow<'static, str>,
}

/// Serves a connection until either side ends it. What it started in the session goes on.
pub(super) async fn run<S>(app: Arc<App>, cx: OpContext, session: SessionId, session_end: CancellationToken, socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let started = Instant::now();
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut outgoing) = outbox::outbox();
    let peer = Arc::new(Peer::new(app, cx, session, outbox));
    let heard = Heard::new();
    let mut running = JoinSet::new();
    let end = tokio::select! {
        end = listen(&peer, &mut stream, &heard, &mut running) => end,
        end = send(&peer, &mut outgoing, &mut sink) => end,
        end = keep(&peer, &heard) => end,
        () = session_end.cancelled() => End::tell(CloseCode::Away, "the session has ended"),
        () = peer.app.draining.cancelled() => End::tell(CloseCode::Restart, "the server is stopping; connect again when it is back"),
    };
    if end.code.is_none() {
        // What the client said before it went still counts, also when its going was noticed by our own words first.
        let _ = tokio::time::timeout(CLOSING, listen(&peer, &mut stream, &heard, &mut running)).await;
    }
    // Before the good-bye, so that nothing is said after it.
    running.shutdown().await;
    if let Some(code) = end.code {
        let bye = Message::Close(Some(CloseFrame { code, reason: end.reason.to_string().into() }));
        let closing = async {
            // The client may be gone or not read; then there is nobody to say it to.
            if sink.send(bye).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }
    let cx = peer.connection();
    tracing::info!(request = %cx.request, session = %peer.session, code = ?end.code, reason = %end.reason, lasted = ?started.elapsed(), "socket closed");
}

impl End {
    fn tell(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        // A close frame has room for 123 bytes.
        let reason: Cow<'static, str> = reason.into();
        Self { code: Some(code), reason: super::frame::cut(&reason, 120).to_owned().into() }
    }

    fn gone(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, reason: reason.into() }
    }
}

/// When the client last said anything.
struct Heard(Mutex<Instant>);

impl Heard {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn since(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

async fn listen(
    peer: &Arc<Peer>,
    stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    heard: &Heard,
    running: &mut JoinSet<Result<(), Gone>>,
) -> End {
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            Some(ended) = running.join_next(), if !running.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(request = %peer.connection().request, %error, "an invocation failed");
                }
                continue;
            }
        };
        heard.now();
        let bytes: Bytes = match message {
            None | Some(Ok(Message::Close(_))) => return End::gone("the client left"),
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Err(error)) => return broken(&error),
        };
        let call = match Invocation::parse(&bytes) {
            Ok(call) => call,
            Err(error) => return End::tell(CloseCode::Policy, error),
        };
        match peer.check().await {
            Ok(()) => {}
            Err(fault) if fault.code() == ErrorCode::Unauthenticated => return revoked(),
            Err(fault) => {
                if peer.outbox.send(call.failure(fault.message())).await.is_err() {
                    return End::gone("nothing can be sent");
                }
                continue;
            }
        }
        if dispatch(peer, call, running).await.is_err() {
            return End::gone("nothing can be sent");
        }
    }
}

/// Starts what a message asks for; what only passes something on is done here, so that its order is kept.
async fn dispatch(peer: &Arc<Peer>, call: Invocation, running: &mut JoinSet<Result<(), Gone>>) -> Result<(), Gone> {
    match call.method.as_str() {
        "pty.input" | "pty.resize" => return terminal::say(peer, &call).await,
        "unsubscribe_file_change" => {
            watch::unsubscribe(peer, &call);
            return Ok(());
        }
        "run_code" | "pty.create" | "pty.connect" | "pty.list" | "pty.kill" | "subscribe_file_change" => {}
        other => {
            let name = super::frame::cut(other, 80);
            return peer
                .outbox
                .send(call.failure(&format!("this server has no method {name:?} here; COMPATIBILITY.md lists what it has")))
                .await;
        }
    }
    if running.len() >= MAX_RUNNING {
        let text = format!("{MAX_RUNNING} invocations, terminals and watches run on this connection, which is its limit; try again later");
        return peer.outbox.send(call.failure(&text)).await;
    }
    let peer = peer.clone();
    running.spawn(async move {
        match call.method.as_str() {
            "run_code" => code::run(&peer, &call).await,
            "pty.create" => terminal::create(&peer, &call).await,
            "pty.connect" => terminal::connect(&peer, &call).await,
            "pty.list" => terminal::list(&peer, &call).await,
            "pty.kill" => terminal::kill(&peer, &call).await,
            _ => watch::subscribe(&peer, &call).await,
        }
    });
    Ok(())
}

async fn send<S>(peer: &Peer, outgoing: &mut Outgoing, sink: &mut S) -> End
where
    S: futures::Sink<Message, Error = Error> + Unpin,
{
    match outgoing.send_all(sink, peer.app.timeouts.socket_write).await {
        Ok(()) => End::gone("nothing is left to send"),
        Err(SendError::Stuck(_)) => End::gone("the client does not read"),
        Err(SendError::Broken(error)) => broken(&error),
    }
}

/// Pings, listens for silence, and asks whether the token still holds.
async fn keep(peer: &Peer, heard: &Heard) -> End {
    let timeouts = &peer.app.timeouts;
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + timeouts.socket_ping, timeouts.socket_ping);
    let mut checks = tokio::time::interval(timeouts.socket_recheck);
    loop {
        tokio::select! {
            _ = pings.tick() => {
                if peer.outbox.send(Message::Ping(Bytes::new())).await.is_err() {
                    return End::gone("nothing can be sent");
                }
            }
            _ = checks.tick() => {
                if heard.since() > timeouts.socket_silence {
                    return End::tell(CloseCode::Policy, "the client has been silent for too long, even to pings");
                }
                // A store that does not answer now will later.
                if peer.check().await.is_err_and(|fault| fault.code() == ErrorCode::Unauthenticated) {
                    return revoked();
                }
            }
        }
    }
}

fn revoked() -> End {
    End::tell(CloseCode::Policy, "the API key that the token was made for was revoked")
}

fn broken(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            End::tell(CloseCode::Size, format!("a message of {size} bytes; at most {max_size} are taken"))
        }
        Error::Capacity(_) => End::tell(CloseCode::Size, "a message that is too large"),
        Error::Utf8(_) => End::tell(CloseCode::Invalid, "a text that is not UTF-8"),
        Error::Protocol(error) => End::tell(CloseCode::Protocol, error.to_string()),
        other => End::gone(other.to_string()),
    }
}
