//! The control socket: each connection says in one frame what it is for, gets an answer, and becomes that.

use crate::calls::{CallLimits, Calls};
use crate::group::Groups;
use crate::process::Processes;
use crate::reaper::Reaper;
use crate::tools::Tools;
use crate::{mcp, streams, tunnel};
use protocol::{GENERATION, GuestBoot, StreamOpen, StreamRefusal, StreamReply, frame};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Connections at once; one more is refused with [`StreamRefusal::Busy`]. Above what a host allows itself for one session
/// (64 calls and 256 streams), so that its own, clearer refusal comes first. A busy command or transfer takes up to about
/// 1 MiB here and six descriptors; most streams wait and take some KiB.
pub const MAX_CONNECTIONS: usize = 384;
/// Connections that may at once be told that the guest is busy. Further ones wait in the socket's queue.
const MAX_REFUSALS: usize = 16;
/// How long a connection may take to say what it is for.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a refused connection may take to read why.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
/// Pause after a failed accept: out of descriptors or memory, trying again at once would only burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections for ever.
pub async fn run(boot: GuestBoot, listener: UnixListener) -> io::Result<()> {
    let reaper = Reaper::start()?;
    let groups = Groups::open(&boot.cgroup_dir);
    if groups.is_none() {
        eprintln!(
            "guest {}: {} is no cgroup v2 directory; a time-out kills only what did not detach itself",
            boot.sandbox, boot.cgroup_dir
        );
    }
    let server = Arc::new(Server {
        generation: GENERATION.min(boot.generation),
        calls: Calls::new(CallLimits::default()),
        tools: Arc::new(Tools::new(boot.capabilities, Arc::new(Processes::new(reaper, groups)), boot.output)),
    });
    let (places, refusals) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), Arc::new(Semaphore::new(MAX_REFUSALS)));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                eprintln!("guest {}: accepting a connection: {error}", boot.sandbox);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match places.clone().try_acquire_owned() {
            Ok(place) => {
                let server = server.clone();
                tokio::spawn(async move {
                    server.serve(stream).await;
                    drop(place);
                });
            }
            Err(_) => {
                // The semaphore is never closed, so this only waits.
                let Ok(place) = refusals.clone().acquire_owned().await else { continue };
                tokio::spawn(async move {
                    refuse(stream, StreamRefusal::Busy, format!("{MAX_CONNECTIONS} connections are open already")).await;
                    drop(place);
                });
            }
        }
    }
}

#[derive(Debug)]
struct Server {
    generation: u32,
    calls: Calls,
    tools: Arc<Tools>,
}

impl Server {
    async fn serve(&self, mut stream: UnixStream) {
        let open = match tokio::time::timeout(HEAD_WITHIN, read_open(&mut stream)).await {
            Ok(Ok(open)) => open,
            Ok(Err(error)) => return refuse(stream, StreamRefusal::BadRequest, format!("the first frame cannot be used: {error}")).await,
            Err(_) => return refuse(stream, StreamRefusal::BadRequest, "the first frame did not come in time".into()).await,
        };
        match open {
            StreamOpen::Mcp { generation } => {
                let ready = StreamReply::Ready { generation: self.generation.min(generation) };
                if reply(&mut stream, &ready).await.is_ok() {
                    mcp::serve(stream, self.calls.clone(), self.tools.clone()).await;
                }
            }
            StreamOpen::Tunnel { port } => match tunnel::connect(port).await {
                Ok(inside) => {
                    if reply(&mut stream, &StreamReply::Ready { generation: self.generation }).await.is_ok() {
                        tunnel::run(stream, inside).await;
                    }
                }
                Err((refusal, message)) => refuse(stream, refusal, message).await,
            },
            open => {
                if reply(&mut stream, &StreamReply::Ready { generation: self.generation }).await.is_ok() {
                    streams::serve(stream, open, self.tools.clone()).await;
                }
            }
        }
    }
}

async fn read_open(stream: &mut UnixStream) -> io::Result<StreamOpen> {
    let invalid = |error: frame::FrameError| io::Error::new(io::ErrorKind::InvalidData, describe(&error));
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).await?;
    let mut body = vec![0; frame::body_length(prefix).map_err(invalid)?];
    stream.read_exact(&mut body).await?;
    frame::decode(&body).map_err(invalid)
}

/// The error with its cause, as the other side has no chain to walk.
fn describe(error: &frame::FrameError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

async fn reply(stream: &mut UnixStream, reply: &StreamReply) -> io::Result<()> {
    let frame = frame::encode(reply).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    stream.write_all(&frame).await
}

async fn refuse(mut stream: UnixStream, refusal: StreamRefusal, message: String) {
    // Whoever is refused may have gone, or not read; neither concerns the guest.
    let _ = tokio::time::timeout(REFUSAL_WITHIN, async {
        reply(&mut stream, &StreamReply::Refused { refusal, message }).await?;
        stream.shutdown().await
    })
    .await;
}
