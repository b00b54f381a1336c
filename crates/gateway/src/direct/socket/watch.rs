//! `subscribe_file_change`: directories whose changes are told as they happen.

use super::frame::Invocation;
use super::outbox::Gone;
use super::peer::Peer;
use futures::StreamExt;
use protocol::StreamOpen;
use protocol::streams::{WatchOpen, WatchOutput};
use protocol::tools::filesystem::FileChange;
use runtime::PacketStream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;
use types::SandboxUser;

/// Changes in one message: a path has at most 4 KiB.
const CHANGES: usize = 100;

/// The watched directories of a connection, as the client spelled them.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<String, CancellationToken>>);

impl Watches {
    /// What stops a new watch; none when there is one already.
    fn begin(&self, path: &str) -> Option<CancellationToken> {
        let mut watches = self.all();
        if watches.contains_key(path) {
            return None;
        }
        Some(watches.entry(path.to_owned()).or_default().clone())
    }

    fn end(&self, path: &str) {
        if let Some(stop) = self.all().remove(path) {
            stop.cancel();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Params {
    path: String,
}

/// `subscribe_file_change`: one answer, then a push for what changes, until the client unsubscribes or goes.
pub(super) async fn subscribe(peer: &Peer, call: &Invocation) -> Result<(), Gone> {
    let path = match call.params::<Params>() {
        Ok(Params { path }) => path,
        Err(message) => return peer.outbox.send(call.failure(&message)).await,
    };
    let Some(stop) = peer.watches.begin(&path) else {
        return peer.outbox.send(call.end(json!({ "path": path }))).await;
    };
    tokio::select! {
        watched = watch(peer, call, &path) => {
            peer.watches.end(&path);
            watched
        }
        // Unsubscribed, perhaps before it was answered.
        () = stop.cancelled() => Ok(()),
    }
}

/// `unsubscribe_file_change`; nobody waits for an answer.
pub(super) fn unsubscribe(peer: &Peer, call: &Invocation) {
    if let Ok(Params { path }) = call.params() {
        peer.watches.end(&path);
    }
}

async fn watch(peer: &Peer, call: &Invocation, path: &str) -> Result<(), Gone> {
    let mut packets = match open(peer, path).await {
        Ok(packets) => packets,
        Err(message) => return peer.outbox.send(call.failure(&message)).await,
    };
    peer.outbox.send(call.end(json!({ "path": path }))).await?;
    loop {
        match next(&mut packets).await {
            Ok(WatchOutput::Watching) => {}
            Ok(WatchOutput::Changed { changes }) => {
                for changes in changes.chunks(CHANGES) {
                    peer.push(&call.target, &event(path, changes)).await?;
                }
            }
            // The protocol has no word for it; that the directory changed is true.
            Ok(WatchOutput::Missed) => {
                let change = json!([{ "eventType": "modify", "path": path, "pathType": "directory" }]);
                peer.push(&call.target, &json!({ "eventType": "file_change", "path": path, "events": change })).await?;
            }
            Ok(WatchOutput::Failed { error }) => return ended(peer, path, &error.message),
            Err(error) => return ended(peer, path, &error),
        }
    }
}

async fn open(peer: &Peer, path: &str) -> Result<PacketStream, String> {
    let user = SandboxUser::default();
    let absolute = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", user.home()) };
    let mut packets = peer.open(&peer.context(), StreamOpen::Watch(WatchOpen { user, path: absolute })).await?;
    let first = tokio::time::timeout(peer.app.timeouts.call, next(&mut packets)).await;
    match first.map_err(|_| "the session did not answer in time")?? {
        WatchOutput::Watching => Ok(packets),
        WatchOutput::Failed { error } => Err(error.message),
        other => Err(format!("the session began with {other:?}")),
    }
}

async fn next(packets: &mut PacketStream) -> Result<WatchOutput, String> {
    let packet = packets.next().await.ok_or("the session broke off")?;
    packet.and_then(|packet| packet.parse()).map_err(|error| error.to_string())
}

/// Nobody can be told: clients know no such event.
fn ended(peer: &Peer, path: &str, why: &str) -> Result<(), Gone> {
    tracing::info!(session = %peer.session, path, why, "a watch ended");
    Ok(())
}

fn event(path: &str, changes: &[FileChange]) -> Value {
    json!({ "eventType": "file_change", "path": path, "events": changes })
}
