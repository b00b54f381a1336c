//! Changes below a directory as they happen.
//!
//! The kernel's notices (inotify) only say where to look; what is told is the difference between what was there at the last
//! look and what is there now. So it is the same that the tool `get_file_change` tells for the same actions, a directory
//! that was full before it could be watched is told whole, and what came and went between two looks is not told at all,
//! nor is a write through a memory mapping until the file is closed. Other than the tool it tells a directory's own
//! end: by ending.

mod tree;

use super::{FromHost, Packets, ToHost, say, wakes};
use crate::files::as_user;
use crate::tools::Tools;
use futures::StreamExt;
use protocol::streams::{WatchOpen, WatchOutput};
use protocol::tools::filesystem::FileChange;
use protocol::{ToolError, ToolErrorCode};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};
use tree::{Dirty, Tree};

/// Watches at once. Each remembers up to 50,000 entries.
pub(crate) const MAX_WATCHES: usize = 64;
/// From the first notice to the look: what happens meanwhile is told as one.
const WINDOW: Duration = Duration::from_millis(40);
/// About how many bytes of changes are told at once; as JSON they may become six times as long.
const TOLD_AT_ONCE: usize = 128 * 1024;

/// Tells what changes until the host goes, or it cannot be watched any longer.
pub(super) async fn serve(packets: Packets, open: WatchOpen, tools: &Tools) {
    let (mut host, mut from_host) = packets.split();
    let Ok(_place) = tools.watches_open.try_acquire() else {
        let message = format!("{MAX_WATCHES} directories are watched in this session, which is the most; end one and try again");
        let _ = say(&mut host, &WatchOutput::Failed { error: ToolError::new(ToolErrorCode::Busy, message) }).await;
        return;
    };
    let watched = tokio::select! {
        watched = watch(&mut host, open) => watched,
        () = gone(&mut from_host) => return,
    };
    if let Err(Ended::Failed(error)) = watched {
        let _ = say(&mut host, &WatchOutput::Failed { error }).await;
    }
}

enum Ended {
    Lost,
    Failed(ToolError),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl From<ToolError> for Ended {
    fn from(error: ToolError) -> Self {
        Self::Failed(error)
    }
}

/// Waits until the host has gone; it has nothing to say.
async fn gone(host: &mut FromHost) {
    while let Some(Ok(_)) = host.next().await {}
}

async fn watch(host: &mut ToHost, open: WatchOpen) -> Result<(), Ended> {
    let user = open.user;
    let (mut tree, notices) = as_user(user, move || Tree::plant(user, &open.path)).await?;
    let notices = wakes(notices, Interest::READABLE)?;
    say(host, &WatchOutput::Watching).await?;
    loop {
        let mut dirty = Dirty::default();
        while dirty.is_empty() {
            collect(&notices, &mut tree, &mut dirty).await?;
        }
        let due = Instant::now() + WINDOW;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(due) => break,
                collected = collect(&notices, &mut tree, &mut dirty) => collected?,
            }
        }
        if dirty.overflowed {
            say(host, &WatchOutput::Missed).await?;
        }
        let (back, changes, ended) = as_user(user, move || {
            let (changes, ended) = tree.look(dirty);
            Ok((tree, changes, ended))
        })
        .await?;
        tree = back;
        tell(host, changes).await?;
        ended?;
    }
}

/// Takes the notices there are, once there are some.
async fn collect(notices: &AsyncFd<OwnedFd>, tree: &mut Tree, dirty: &mut Dirty) -> io::Result<()> {
    let mut ready = notices.readable().await?;
    if tree.collect(notices.get_ref(), dirty)? {
        ready.clear_ready();
    }
    Ok(())
}

async fn tell(host: &mut ToHost, changes: Vec<FileChange>) -> io::Result<()> {
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        let mut bytes = 0;
        let mut some = Vec::new();
        while bytes < TOLD_AT_ONCE {
            let Some(change) = changes.next() else { break };
            bytes += change.path.len() + size_of::<FileChange>();
            some.push(change);
        }
        say(host, &WatchOutput::Changed { changes: some }).await?;
    }
    Ok(())
}
