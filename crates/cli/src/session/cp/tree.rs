//! A directory, either way, as a tar stream through a command inside.

mod pack;
mod unpack;

use super::place::{Inside, Kind};
use super::progress::Progress;
use super::{fresh_name, inside};
use crate::env::quote;
use crate::failure::Failure;
use crate::output;
use futures::StreamExt;
use roadstead_sdk::native::{Exec, Native};
use roadstead_sdk::{CommandEvent, CommandStream};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::io::SyncIoBridge;

/// Bytes between the thread that walks the tree and the connection.
const BUFFER: usize = 1 << 20;
/// Bytes kept of what the command inside complains about.
const MAX_COMPLAINT: usize = 4 << 10;
/// `tar` says so when a file changed while it was read: what is there is whole, but of no single moment.
const CHANGED: i32 = 1;

/// A directory from here.
pub(super) async fn up(native: &Native, from: &Path, to: &Inside, mut progress: Progress) -> Result<u64, Failure> {
    let script = match to.kind(native).await? {
        Kind::Nothing => {
            let parent = to.parent();
            // One that is unpacked in full takes its name at once.
            format!(
                "set -e; mkdir -p -- {parent}; t={fresh}; mkdir -- \"$t\"; trap 'chmod -R u+rwx -- \"$t\"; rm -rf -- \"$t\"' EXIT; \
                 tar -xpf - --no-same-owner -C \"$t\"; mv -T -- \"$t\" {to}; trap - EXIT",
                parent = quote(parent),
                fresh = quote(&format!("{}/{}", parent.trim_end_matches('/'), fresh_name()?)),
                to = quote(to.path.trim_end_matches('/')),
            )
        }
        Kind::Directory => format!("exec tar -xpf - --no-same-owner -C {}", quote(&to.path)),
        Kind::Other => return Err(inside("writing", to, "it is there and is no directory")),
    };
    let mut command = native.exec_stream(&to.session, &Exec::new(script).user(to.user).stdin(true)).await?;
    let (Some(mut stdin), signals) = (command.stdin(), command.signals()) else {
        return Err(inside("writing", to, "it takes no input"));
    };
    let (ours, mut packed) = tokio::io::duplex(BUFFER);
    let (walked, bridge) = (from.to_owned(), SyncIoBridge::new(ours));
    let packing = tokio::task::spawn_blocking(move || pack::pack(&walked, bridge));
    let sending = async {
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = packed.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            if stdin.write_all(&buffer[..count]).await.is_err() {
                // Why the command takes no more, its end tells.
                return std::future::pending().await;
            }
            progress.add(count);
        }
        match packing.await.unwrap_or_else(|error| Err(Failure::new(format!("walking {} failed: {error}", from.display())))) {
            Ok(left_out) => {
                let _ = stdin.shutdown().await;
                Ok(left_out)
            }
            Err(failure) => {
                // Before the end of input, which it could take for the end of the tree.
                let _ = signals.send(9).await;
                Err(failure)
            }
        }
    };
    let mut ending = std::pin::pin!(end(&mut command, None));
    let left_out = tokio::select! {
        sent = sending => sent?,
        ended = &mut ending => return Err(inside("writing", to, ended?.complaint())),
    };
    let ended = ending.await?;
    if ended.exit_code != 0 {
        return Err(inside("writing", to, ended.complaint()));
    }
    for path in left_out {
        output::remark(format!("{} is neither file, directory nor symbolic link and was left out", path.display()));
    }
    Ok(progress.moved())
}

/// A directory to here.
pub(super) async fn down(native: &Native, from: &Inside, to: &Path, mut progress: Progress) -> Result<u64, Failure> {
    let script = format!("exec tar -cf - -C {} .", quote(&from.path));
    let mut command = native.exec_stream(&from.session, &Exec::new(script).user(from.user)).await?;
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let target = unpack::Target::new(to)?;
    let (root, bridge) = (target.root().to_owned(), SyncIoBridge::new(theirs));
    let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(bridge, &root));
    let ended = end(&mut command, Some((ours, &mut progress))).await?;
    let unpacked = unpacking.await.unwrap_or_else(|error| Err(Failure::new(format!("writing {} failed: {error}", to.display()))));
    match unpacked {
        Err(failure) if ended.ours_closed => return Err(failure),
        unpacked => {
            match ended.exit_code {
                0 if ended.complaint.is_empty() => {}
                0 | CHANGED => output::remark(format!("reading {from}: {}", ended.complaint())),
                _ => return Err(inside("reading", from, ended.complaint())),
            }
            let left_out = unpacked?;
            target.finish()?;
            for path in left_out {
                output::remark(format!("{} was left out", output::harmless(&path)));
            }
        }
    }
    Ok(progress.moved())
}

/// How the command inside ended.
struct Ended {
    exit_code: i32,
    complaint: Vec<u8>,
    /// Whether our side stopped taking its output.
    ours_closed: bool,
}

impl Ended {
    fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaint);
        let text = text.trim();
        if text.is_empty() { format!("tar ended with exit code {}", self.exit_code) } else { output::harmless(text) }
    }
}

/// Follows a command to its end and hands on what it writes.
async fn end(command: &mut CommandStream, mut into: Option<(DuplexStream, &mut Progress)>) -> Result<Ended, Failure> {
    let mut ended = Ended { exit_code: 0, complaint: Vec::new(), ours_closed: false };
    while let Some(event) = command.next().await {
        match event? {
            CommandEvent::Stdout(bytes) => {
                let Some((pipe, progress)) = &mut into else { continue };
                if pipe.write_all(&bytes).await.is_err() {
                    // Bytes after the end of the archive are padding; anything else our side tells of.
                    ended.ours_closed = true;
                    into = None;
                    continue;
                }
                progress.add(bytes.len());
            }
            CommandEvent::Stderr(bytes) => {
                let room = MAX_COMPLAINT.saturating_sub(ended.complaint.len());
                ended.complaint.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            CommandEvent::Exited { exit_code, .. } => {
                ended.exit_code = exit_code;
                return Ok(ended);
            }
            _ => {}
        }
    }
    Err(Failure::new("the server said nothing of the command's end"))
}
