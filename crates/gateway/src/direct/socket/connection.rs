//! One connection from its handshake to its end.

use super::frame::Invocation;
use super::outbox::{self, Gone, Queue, SendError};
use super::peer::Peer;
use super::{code, terminal, watch};
use crate::app::App;
use crate::web_socket::{self, CloseCode, Incoming, Lost, Outgoing, Said, WebSocket};
use control::OpContext;
use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_util::sync::CancellationToken;
use types::{ErrorCode, SessionId};

/// What runs on one connection at once: invocations, terminals and watches together.
const MAX_RUNNING: usize = 512;
/// How long what a client said before it went is still read.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a connection ends. `None` for the code: there is nobody to tell it.
#[derive(Debug)]
struct End {
    code: Option<CloseCode>,
    reason: Cow<'static, str>,
}

/// Serves a connection until either side ends it. What it started in the session goes on.
pub(super) async fn run<S>(app: Arc<App>, cx: OpContext, session: SessionId, session_end: CancellationToken, socket: WebSocket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let started = Instant::now();
    let (mut incoming, mut outgoing) = web_socket::halves(socket, &app);
    let (outbox, mut queue) = outbox::outbox();
    let peer = Arc::new(Peer::new(app, cx, session, outbox));
    let mut running = JoinSet::new();
    let end = tokio::select! {
        end = listen(&peer, &mut incoming, &mut running) => end,
        end = send(&peer, &mut queue, &mut outgoing) => end,
        _ = web_socket::revoked(&peer.app, &peer.connection().identity) => revoked(),
        () = session_end.cancelled() => End::tell(CloseCode::Away, "the session has ended"),
        () = peer.app.draining.cancelled() => End::tell(CloseCode::Restart, "the server is stopping; connect again when it is back"),
    };
    if end.code.is_none() {
        // What the client said before it went still counts, also when its going was noticed by our own words first.
        let _ = tokio::time::timeout(LAST_WORDS, listen(&peer, &mut incoming, &mut running)).await;
    }
    // Before the good-bye, so that nothing is said after it.
    running.shutdown().await;
    if let Some(code) = end.code {
        outgoing.close(incoming, code, end.reason.clone()).await;
    }
    let cx = peer.connection();
    tracing::info!(request = %cx.request, session = %peer.session, code = ?end.code, reason = %end.reason, lasted = ?started.elapsed(), "socket closed");
}

impl End {
    fn tell(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code), reason: reason.into() }
    }

    fn gone(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, reason: reason.into() }
    }
}

async fn listen<S>(peer: &Arc<Peer>, incoming: &mut Incoming<S>, running: &mut JoinSet<Result<(), Gone>>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut next = pin!(incoming.next());
        let said = loop {
            tokio::select! {
                said = &mut next => break said,
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(request = %peer.connection().request, %error, "an invocation failed");
                    }
                }
            }
        };
        let bytes: Bytes = match said {
            Ok(Said::Text(text)) => text.into(),
            Ok(Said::Binary(bytes)) => bytes,
            Err(Lost::Gone) => return End::gone("the client left"),
            Err(Lost::Silent) => return End::tell(CloseCode::Policy, "the client has been silent for too long, even to pings"),
            Err(Lost::Unreadable(code, reason)) => return End::tell(code, reason),
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

async fn send<S>(peer: &Peer, queue: &mut Queue, outgoing: &mut Outgoing<S>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match queue.send_all(outgoing, peer.app.timeouts.socket_write).await {
        Ok(()) => End::gone("nothing is left to send"),
        Err(SendError::Stuck) => End::gone("the client does not read"),
        Err(SendError::Gone) => End::gone("the client left"),
    }
}

fn revoked() -> End {
    End::tell(CloseCode::Policy, "the API key that the token was made for was revoked")
}
