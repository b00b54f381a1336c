//! Files of any length, out of the sandbox and into it. Neither direction holds more than a few chunks in memory, and no
//! thread waits for a host that is slow.

mod target;

use super::{FromHost, Packets, ToHost, say};
use crate::files::{as_user, failed, open_regular, resolve};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use protocol::packet::Packet;
use protocol::streams::{FileReadOpen, FileReadOutput, FileWriteInput, FileWriteOpen, FileWriteOutput};
use protocol::{ToolError, ToolErrorCode};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use target::Target;
use types::SandboxUser;

/// Bytes read, sent and written at once.
const CHUNK: usize = 256 * 1024;

/// Sends a file, or a range of it.
pub(super) async fn read(packets: Packets, open: FileReadOpen) {
    let (mut host, _) = packets.split();
    let sent = match open_source(open).await {
        Ok((source, opened)) => send(&mut host, source, &opened).await,
        Err(error) => Err(Broken::Failed(error)),
    };
    if let Err(Broken::Failed(error)) = sent {
        let _ = say(&mut host, &FileReadOutput::Failed { error }).await;
    }
}

/// Why a transfer stopped.
enum Broken {
    /// Nobody is there to be told.
    Lost,
    Failed(ToolError),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl From<ToolError> for Broken {
    fn from(error: ToolError) -> Self {
        Self::Failed(error)
    }
}

/// A file that is being read.
struct Source {
    user: SandboxUser,
    path: Arc<Path>,
    file: File,
    left: u64,
}

async fn open_source(open: FileReadOpen) -> Result<(Source, FileReadOutput), ToolError> {
    let user = open.user;
    as_user(user, move || {
        let path = resolve(user, &open.path)?;
        let (mut file, metadata) = open_regular(&path, OpenOptions::new().read(true))?;
        file.seek(SeekFrom::Start(open.offset)).map_err(failed("reading", &path))?;
        let opened = FileReadOutput::Opened { size: metadata.len(), mode: metadata.mode() & 0o7777 };
        Ok((Source { user, path: path.into(), file, left: open.length.unwrap_or(u64::MAX) }, opened))
    })
    .await
}

async fn send(host: &mut ToHost, source: Source, opened: &FileReadOutput) -> Result<(), Broken> {
    say(host, opened).await?;
    let mut bytes = 0;
    // The next chunk is read while this one is on its way.
    let mut reading = tokio::spawn(source.chunk());
    loop {
        let (chunk, source) = reading.await.map_err(|error| broke(&error))??;
        // Not the size decides but what comes: files of /proc say 0 and have content, others grow while they are read.
        if chunk.is_empty() {
            return Ok(say(host, &FileReadOutput::Ended { bytes }).await?);
        }
        bytes += chunk.len() as u64;
        reading = tokio::spawn(source.chunk());
        host.send(Packet::Data(chunk)).await?;
    }
}

impl Source {
    async fn chunk(mut self) -> Result<(Bytes, Self), ToolError> {
        as_user(self.user, move || {
            let wanted = self.left.min(CHUNK as u64);
            let mut chunk = Vec::with_capacity(wanted as usize);
            (&self.file).take(wanted).read_to_end(&mut chunk).map_err(failed("reading", &self.path))?;
            self.left -= chunk.len() as u64;
            Ok((chunk.into(), self))
        })
        .await
    }
}

/// Takes a file.
pub(super) async fn write(packets: Packets, open: FileWriteOpen) {
    let (mut host, mut from_host) = packets.split();
    let last = match receive(&mut from_host, open).await {
        Ok(bytes) => FileWriteOutput::Written { bytes },
        Err(Broken::Failed(error)) => FileWriteOutput::Failed { error },
        Err(Broken::Lost) => return,
    };
    let failed = matches!(last, FileWriteOutput::Failed { .. });
    if say(&mut host, &last).await.is_ok() && failed {
        // A host that still sends could not read why it should not, were the connection closed under it.
        while let Some(Ok(Packet::Data(_))) = from_host.next().await {}
    }
}

async fn receive(host: &mut FromHost, open: FileWriteOpen) -> Result<u64, Broken> {
    let user = open.user;
    let (target, path) = as_user(user, move || {
        let path = resolve(user, &open.path)?;
        Ok((Target::open(&path, open.mode, open.permissions)?, path))
    })
    .await?;
    let target = Arc::new(target);
    let filled = fill(host, user, &target, path).await;
    // Nobody else holds it: what was written has been waited for.
    let target = Arc::into_inner(target).ok_or_else(|| internal("its writer is still busy"))?;
    let whole = filled.as_ref().ok().copied();
    let end = move || match whole {
        Some(length) => target.finish(length),
        None => target.abandon(),
    };
    as_user(user, end).await?;
    filled
}

/// Writes what comes until the host says that it was all; how many bytes.
async fn fill(host: &mut FromHost, user: SandboxUser, target: &Arc<Target>, path: PathBuf) -> Result<u64, Broken> {
    let path: Arc<Path> = path.into();
    let mut intake = Intake { written: 0, pending: Vec::new(), pending_bytes: 0, over: false };
    loop {
        if intake.pending.is_empty() && intake.over {
            return Ok(intake.written);
        }
        if intake.pending.is_empty() {
            intake.more(host).await?;
            continue;
        }
        let (chunks, at) = intake.take();
        let (target, path) = (target.clone(), path.clone());
        let write = move || {
            let written = target.write(&chunks, at).map_err(failed("writing", &path));
            // Let go before the end is told, so that the transfer's owner is the only one left.
            drop(target);
            written
        };
        let writing = as_user(user, write);
        tokio::pin!(writing);
        // The next chunks come while these are written. The writer is always waited for.
        let mut broken = None;
        loop {
            tokio::select! {
                written = &mut writing => {
                    written?;
                    break;
                }
                more = intake.more(host), if broken.is_none() && !intake.over && intake.pending_bytes < CHUNK => broken = more.err(),
            }
        }
        if let Some(broken) = broken {
            return Err(broken);
        }
    }
}

/// What has come and is not written yet.
struct Intake {
    written: u64,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    over: bool,
}

impl Intake {
    /// Waits for the next packet. May be dropped and called again.
    async fn more(&mut self, host: &mut FromHost) -> Result<(), Broken> {
        match host.next().await.ok_or(Broken::Lost)?? {
            Packet::Data(bytes) if bytes.is_empty() => {}
            Packet::Data(bytes) => {
                self.pending_bytes += bytes.len();
                self.pending.push(bytes);
            }
            message => {
                let FileWriteInput::End = message.parse()?;
                self.over = true;
            }
        }
        Ok(())
    }

    /// All of it and where in the transfer it begins.
    fn take(&mut self) -> (Vec<Bytes>, u64) {
        let at = self.written;
        self.written += std::mem::take(&mut self.pending_bytes) as u64;
        (std::mem::take(&mut self.pending), at)
    }
}

fn broke(error: &tokio::task::JoinError) -> Broken {
    Broken::Failed(internal(&error.to_string()))
}

fn internal(what: &str) -> ToolError {
    ToolError::new(ToolErrorCode::Internal, format!("the transfer failed inside the guest: {what}"))
}
