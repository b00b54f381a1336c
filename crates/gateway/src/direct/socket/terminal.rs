//! `pty.*`: terminals. They belong to the guest; a connection only looks at them and types.

use super::frame::{Invocation, MAX_TEXT};
use super::outbox::Gone;
use super::peer::Peer;
use crate::direct::utf8::{Pieces, Told};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use protocol::packet::Packet;
use protocol::streams::{PtyInput, PtyOpen, PtyOutput, PtySize, PtyTarget};
use protocol::tools::pty::{PTY_KILL, PTY_LIST, PtyKillResult, PtyListResult};
use protocol::{StreamOpen, tools};
use runtime::PacketStream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use types::SandboxUser;

/// What is typed into one terminal and waits, in packets.
const TYPED_AHEAD: usize = 64;
/// Longest packet of it, bytes.
const TYPED_PIECE: usize = 16 << 10;
/// The server's name in every message about terminals.
const SOURCE: &str = tools::PTY_GROUP;

/// How long a session may take to accept what was typed by a client that has gone since.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The terminals that a connection looks at, by their ids.
#[derive(Debug, Default)]
pub(super) struct Terminals(Mutex<HashMap<String, Typist>>);

/// A client's hands on one terminal. Dropped with the connection, or when another of its requests takes over.
#[derive(Debug)]
struct Typist {
    packets: mpsc::Sender<Packet>,
    _gone: DropGuard,
}

impl Terminals {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Typist>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Create {
    cols: u16,
    rows: u16,
    #[serde(default)]
    envs: BTreeMap<String, String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    shell: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "ptySessionId")]
    id: String,
}

/// `pty.create`.
pub(super) async fn create(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    match call.params::<Create>() {
        Ok(Create { cols, rows, envs, cwd, shell }) => {
            look(peer, call, PtyTarget::New { size: PtySize { cols, rows }, envs, cwd, shell }).await
        }
        Err(message) => peer.answer(call, Err(message)).await,
    }
}

/// `pty.connect`. Who looks at it already goes on doing so.
pub(super) async fn connect(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    match call.params::<Named>() {
        Ok(Named { id }) if peer.terminals.all().contains_key(&id) => peer.answer(call, Ok(json!({ "ptySessionId": id }))).await,
        Ok(Named { id }) => look(peer, call, PtyTarget::Existing { id }).await,
        Err(message) => peer.answer(call, Err(message)).await,
    }
}

/// `pty.list`.
pub(super) async fn list(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    let ids = peer.tool::<PtyListResult>(PTY_LIST, json!({})).await.map(|list| json!({ "ptySessionIds": list.ids }));
    peer.answer(call, ids).await
}

/// `pty.kill`.
pub(super) async fn kill(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    let killed = match call.params::<Named>() {
        Ok(Named { id }) => {
            let killed = peer.tool::<PtyKillResult>(PTY_KILL, json!({ "id": id })).await;
            killed.map(|PtyKillResult {}| json!({ "ptySessionId": id }))
        }
        Err(message) => Err(message),
    };
    peer.answer(call, killed).await
}

/// `pty.input` and `pty.resize`. Nobody waits for an answer, so what is wrong is told as an event of the terminal.
pub(super) async fn say(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    let Ok(Named { id }) = call.params() else {
        return peer.outbox.send(call.failure("ptySessionId is missing")).await;
    };
    let said = said(call).and_then(|packets| {
        let unknown = || format!("this connection does not look at a terminal {id:?}; send pty.connect first");
        let terminal = peer.terminals.all().get(&id).map(|typist| typist.packets.clone()).ok_or_else(unknown)?;
        let full = || "the program does not read what is typed; some of it is lost".to_owned();
        packets.into_iter().try_for_each(|packet| terminal.try_send(packet).map_err(|_| full()))
    });
    match said {
        Ok(()) => Ok(()),
        Err(error) => peer.push(SOURCE, &json!({ "eventType": "pty.error", "ptySessionId": id, "error": error })).await,
    }
}

fn said(call: &Invocation) -> Result<Vec<Packet>, String> {
    #[derive(Deserialize)]
    struct Input {
        data: String,
        #[serde(default)]
        encoding: String,
    }
    #[derive(Deserialize)]
    struct Resize {
        cols: u16,
        rows: u16,
    }
    if call.method == "pty.resize" {
        let Resize { cols, rows } = call.params()?;
        let input = PtyInput::Resize { size: PtySize { cols, rows } };
        return Ok(vec![Packet::message(&input).map_err(|error| error.to_string())?]);
    }
    let Input { data, encoding } = call.params()?;
    let mut bytes = match encoding.as_str() {
        "" | "utf8" | "utf-8" => Bytes::from(data),
        "base64" => STANDARD.decode(data).map_err(|error| format!("data is not base64: {error}"))?.into(),
        other => return Err(format!("encoding must be utf8 or base64, got {:?}", super::frame::cut(other, 40))),
    };
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        packets.push(Packet::Data(bytes.split_to(bytes.len().min(TYPED_PIECE))));
    }
    Ok(packets)
}

/// Makes or finds a terminal and tells what it shows until it ends.
async fn look(peer: &Peer, call: &Invocation, target: PtyTarget) -> Result<(), Gone> {
    let (id, packets) = match open(peer, target).await {
        Ok(opened) => opened,
        Err(message) => return peer.answer(call, Err(message)).await,
    };
    let (typed, typing) = mpsc::channel(TYPED_AHEAD);
    let gone = CancellationToken::new();
    let typist = Typist { packets: typed, _gone: gone.clone().drop_guard() };
    let first = peer.terminals.all().insert(id.clone(), typist).is_none();
    peer.answer(call, Ok(json!({ "ptySessionId": id }))).await?;
    if !first {
        // Two asked at once: the later one has taken over, the earlier one ends as its typing does.
        tracing::debug!(session = %peer.session, terminal = id, "connected twice");
    }
    tokio::time::sleep(peer.app.timeouts.socket_settle).await;
    let (sink, stream) = packets.split();
    // A task of its own: what a client typed before it went still counts.
    peer.app.work.spawn(type_in(sink, typing, gone.clone()));
    let ended = tokio::select! {
        ended = show(peer, &id, stream) => ended,
        () = gone.cancelled() => return Ok(()),
    };
    peer.terminals.all().remove(&id);
    ended
}

async fn open(peer: &Peer, target: PtyTarget) -> Result<(String, PacketStream), String> {
    let open = StreamOpen::Pty(PtyOpen { user: SandboxUser::default(), target });
    let mut packets = peer.open(&peer.context(), open).await?;
    let first = tokio::time::timeout(peer.app.timeouts.call, packets.next()).await.map_err(|_| "the session did not answer in time")?;
    let first = first.ok_or("the session broke off")?.and_then(|packet| packet.parse()).map_err(|error| error.to_string())?;
    match first {
        PtyOutput::Opened { id } => Ok((id, packets)),
        PtyOutput::Failed { error } => Err(error.message),
        PtyOutput::Exited { exit_code } => Err(format!("the terminal's program ended at once with exit code {exit_code}")),
    }
}

/// Passes on what is typed, until the client has gone and all of it is passed on, or the terminal takes no more.
async fn type_in(mut sink: SplitSink<PacketStream, Packet>, mut typing: mpsc::Receiver<Packet>, gone: CancellationToken) {
    let passing = async {
        while let Some(packet) = typing.recv().await {
            // What it shows says how it ended.
            if sink.send(packet).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        () = async { gone.cancelled().await; tokio::time::sleep(LAST_WORDS).await } => {}
    }
}

async fn show(peer: &Peer, id: &str, mut stream: SplitStream<PacketStream>) -> Result<(), Gone> {
    let mut pieces = Pieces::default();
    let last = loop {
        match stream.next().await {
            Some(Ok(Packet::Data(bytes) | Packet::Stderr(bytes))) => {
                for piece in bytes.chunks(MAX_TEXT) {
                    output(peer, id, pieces.exact(piece)).await?;
                }
            }
            Some(Ok(message)) => match message.parse() {
                Ok(PtyOutput::Exited { exit_code }) => break json!({ "eventType": "pty.exit", "ptySessionId": id, "exitCode": exit_code }),
                Ok(PtyOutput::Failed { error }) => break error_event(id, &error.message),
                Ok(PtyOutput::Opened { .. }) => {}
                Err(error) => break error_event(id, &error.to_string()),
            },
            Some(Err(error)) => break error_event(id, &format!("the session broke off: {error}")),
            None => break error_event(id, "the session broke off; the terminal may still live: connect again"),
        }
    };
    output(peer, id, Told::Bytes(pieces.rest())).await?;
    peer.push(SOURCE, &last).await
}

async fn output(peer: &Peer, id: &str, told: Told) -> Result<(), Gone> {
    let (encoding, data) = match told {
        Told::Text(text) => ("utf8", text),
        Told::Bytes(bytes) => ("base64", STANDARD.encode(bytes)),
    };
    if data.is_empty() {
        return Ok(());
    }
    let event = json!({ "eventType": "pty.output", "ptySessionId": id, "encoding": encoding, "data": data });
    peer.push(SOURCE, &event).await
}

fn error_event(id: &str, error: &str) -> Value {
    json!({ "eventType": "pty.error", "ptySessionId": id, "error": error })
}
