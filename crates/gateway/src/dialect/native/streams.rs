//! Streams over WebSockets: commands, terminals, code and watched directories, with their output as it comes.
//!
//! The client's first text message says what is wanted ([`wire`]); from then on both sides speak the vocabulary of
//! [`protocol::streams`]. Text messages are its JSON; a binary message is a byte of channel (1: standard input and output,
//! or a terminal's bytes; 2: standard error) and then bytes. The server closes after its last message.

mod relay;
pub(super) mod wire;

use super::Caller;
use super::handlers::{Reply, session_id};
use super::problem::{Problem, error_info};
use crate::web_socket::{self, CloseCode, Incoming, Lost, Outgoing, Refused, Said, WebSocket};
use axum::extract::{Path, Request};
use axum::response::Response;
use http::StatusCode;
use relay::End;
use runtime::PacketStream;
use serde_json::json;
use types::{ErrorCode, Fault, SessionId};
use wire::Kind;

/// Opens a stream: the request is upgraded to a WebSocket, and the client's first text message says what is wanted, as one of
/// `ExecStream`, `PtyStream`, `CodeStream` and `WatchStream`.
///
/// After that, text messages are JSON with a `kind`; binary messages are one byte of channel (1: standard input, standard
/// output or a terminal's bytes; 2: standard error), then bytes. A side that does not read stops the other.
///
/// * `exec`: the client says `{"kind":"eof"}` when standard input is over and `{"kind":"signal","signal":15}`; the last
///   message is `{"kind":"exited","exit_code","timed_out"}`. The command ends with its stream.
/// * `pty`: first comes `{"kind":"opened","id"}`; the client says `{"kind":"resize","size":{"cols","rows"}}`; the last message
///   is `{"kind":"exited","exit_code"}`. The terminal outlives its stream: connect to it again by its id.
/// * `code`: `starting`, `stdout`, `stderr`, `result` and `error` as they happen, at last `{"kind":"ended",…}`. The code goes
///   on when the stream is lost, until its time limit.
/// * `watch`: first `{"kind":"watching"}`, then `{"kind":"changed","changes":[…]}` and, when more changed than could be told,
///   `{"kind":"missed"}`, until the client closes.
///
/// Any of them ends with `{"kind":"failed","error":{"code","message"}}` when it could not go on. The server then closes:
/// 1000 after the last message, 1001 when it stops, 1002, 1007 or 1009 when a message cannot be read, 1008 when the client said
/// what it may not say, 1011 when it broke. It pings every 30 s and gives up a client of which nothing has come for 5 min.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/streams/{kind}",
    params(
        ("id" = String, Path),
        ("kind" = String, Path, description = "`exec`, `pty`, `code` or `watch`"),
    ),
    responses((status = 101, description = "A WebSocket."), (status = 426, description = "The request is no WebSocket upgrade."))
)]
pub(super) async fn open(caller: Caller, Path((id, kind)): Path<(String, String)>, mut request: Request) -> Reply<Response> {
    let id = session_id(&caller, &id)?;
    caller.ask_soon(caller.app.control.session(&caller.cx, &id)).await?;
    let kind = Kind::parse(&kind).ok_or_else(no_such_kind)?;
    let app = caller.app.clone();
    web_socket::upgrade(&app, &mut request, async move |socket| serve(caller, id, kind, socket).await).map_err(|refused| match refused {
        Refused::NoHandshake => Problem::new(StatusCode::UPGRADE_REQUIRED, "no_web_socket", Refused::NO_HANDSHAKE),
        Refused::Fault(fault) => Problem::from_fault(&fault),
    })
}

async fn serve(caller: Caller, id: SessionId, kind: Kind, socket: WebSocket) {
    let (mut incoming, mut outgoing) = web_socket::halves(socket, &caller.app);
    let end = match begin(&caller, &id, kind, &mut incoming).await {
        Ok(packets) => relay::relay(&caller, kind, packets, &mut incoming, &mut outgoing).await,
        Err(end) => end,
    };
    finish(&caller, &id, kind, end, incoming, outgoing).await;
}

/// Reads what is wanted, and opens it in the session.
async fn begin(caller: &Caller, id: &SessionId, kind: Kind, incoming: &mut Incoming) -> Result<PacketStream, End> {
    let limit = caller.app.timeouts.handshake;
    let first = tokio::time::timeout(limit, incoming.next()).await.map_err(|_| {
        End::Refused(format!("the first message did not come within {} s; it says what the stream is to be", limit.as_secs()))
    })?;
    let wanted = match first.map_err(End::Lost)? {
        Said::Text(text) => kind.opening(&text, &caller.app.control).map_err(End::Refused)?,
        Said::Binary(_) => return Err(End::Refused("the first message must be text: JSON that says what the stream is to be".into())),
    };
    let opened = tokio::time::timeout(caller.app.timeouts.call, caller.app.control.open_packets(&caller.cx, id, wanted)).await;
    opened
        .unwrap_or_else(|_| Err(Fault::new(ErrorCode::Unavailable, format!("session {id} did not answer; try again"))))
        .map_err(End::Failed)
}

/// Tells the client how it ended, when there is one and it does not know.
async fn finish(caller: &Caller, id: &SessionId, kind: Kind, end: End, incoming: Incoming, mut outgoing: Outgoing) {
    let (fault, code, reason) = match end {
        End::Lost(Lost::Gone | Lost::Silent) => return,
        End::Said => return outgoing.close(incoming, CloseCode::Normal, "".into()).await,
        End::Lost(Lost::Unreadable(code, why)) => (Fault::invalid(why), code, "a message that cannot be read"),
        End::Refused(message) => (Fault::invalid(message), CloseCode::Policy, "a message that cannot be used"),
        End::Failed(fault) => (fault, CloseCode::Error, "the stream failed"),
        End::Broken => (broken(caller, id).await, CloseCode::Error, "the session broke off"),
        End::Draining => (Fault::new(ErrorCode::Unavailable, kind.on_drain()), CloseCode::Away, "the server is stopping; sessions stay"),
    };
    caller.trail.fault(&fault);
    let message = json!({ "kind": "failed", "error": error_info(&fault, &caller.trail) });
    if outgoing.text(message.to_string()).await.is_ok() {
        outgoing.close(incoming, code, reason.into()).await;
    }
}

/// Why a session's side ended without a last word.
async fn broken(caller: &Caller, id: &SessionId) -> Fault {
    match caller.app.control.session(&caller.cx, id).await {
        Err(gone) => gone,
        Ok(_) => Fault::new(
            ErrorCode::Unavailable,
            format!("the connection into session {id} broke off; look at what was done before trying again"),
        ),
    }
}

fn no_such_kind() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", "there is no such stream; there are exec, pty, code and watch")
}
