//! The native back end: sandboxes made by the starter on this host.
//!
//! The server holds a few connections to the starter's socket and asks one thing at a time on each. Every request can
//! be asked twice without harm, so one that meets a starter which was restarted is asked again, once.

pub mod builds;
mod connection;
#[cfg(test)]
mod tests;

use crate::{ByteStream, Runtime, RuntimeError, SandboxFacts, SandboxSpec, SandboxUsage, open_on};
use async_trait::async_trait;
use connection::Connection;
use jailer::wire::{Facts, Failure, LIST_PAGE, Reply, Request, STARTER_PROTOCOL, Usage};
use protocol::StreamOpen;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use types::{ImageId, ImageManifest, SandboxId};

/// Connections at one time.
const CONNECTIONS: usize = 8;
/// As many of them may make and end sandboxes, which can take long. The others are for what is quick, so that nothing
/// keeps a session from its sandbox. (The starter makes two sandboxes at once.)
const SLOW_CONNECTIONS: usize = 5;
/// The starter bounds what it does itself (30 s); this bounds a starter that is stopped or stuck.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45);

/// A client of one starter.
#[derive(Debug)]
pub struct Native {
    socket: PathBuf,
    timeout: Duration,
    permits: Semaphore,
    slow_permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Native {
    /// Connects to the starter that listens at `socket_path`.
    ///
    /// # Errors
    /// [`RuntimeError::Unavailable`], naming the remedy, when no starter answers there or it speaks a newer protocol.
    pub async fn connect(socket_path: &Path) -> Result<Self, RuntimeError> {
        Self::connect_with_timeout(socket_path, DEFAULT_TIMEOUT).await
    }

    /// As [`Self::connect`], with a time limit for each request (default 45 s).
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with_timeout(socket_path: &Path, timeout: Duration) -> Result<Self, RuntimeError> {
        let idle = Mutex::default();
        let (permits, slow_permits) = (Semaphore::new(CONNECTIONS), Semaphore::new(SLOW_CONNECTIONS));
        let native = Self { socket: socket_path.to_owned(), timeout, permits, slow_permits, idle };
        let first = tokio::time::timeout(timeout, native.open()).await.map_err(|_| native.silent())??;
        native.park(first);
        Ok(native)
    }

    /// Asks one thing. A failure that the starter reports comes back as [`Reply::Failed`].
    async fn ask(&self, request: &Request) -> Result<(Reply, Option<OwnedFd>), RuntimeError> {
        tokio::time::timeout(self.timeout, self.ask_untimed(request)).await.map_err(|_| self.silent())?
    }

    async fn ask_untimed(&self, request: &Request) -> Result<(Reply, Option<OwnedFd>), RuntimeError> {
        let _slow = match request {
            Request::Create { .. } | Request::Destroy { .. } => {
                Some(self.slow_permits.acquire().await.map_err(|error| self.unavailable(error))?)
            }
            _ => None,
        };
        let _permit = self.permits.acquire().await.map_err(|error| self.unavailable(error))?;
        // Taken out while in use: when this future is dropped half-way, the connection goes with it and nobody reads
        // an answer that was meant for somebody else.
        let parked = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut connection) = parked {
            match connection.ask(request).await {
                Ok(answer) => {
                    self.park(connection);
                    return Ok(answer);
                }
                Err(error) => tracing::debug!(%error, "the connection to the starter broke; connecting again"),
            }
            // The others were made to the same starter.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let mut connection = self.open().await?;
        let answer = connection.ask(request).await.map_err(|error| self.unavailable(error))?;
        self.park(connection);
        Ok(answer)
    }

    /// A connection on which both sides have said who they are.
    async fn open(&self) -> Result<Connection, RuntimeError> {
        let mut connection = Connection::open(&self.socket).map_err(|error| self.unavailable(error))?;
        let hello = Request::Hello { protocol: STARTER_PROTOCOL };
        match connection.ask(&hello).await.map_err(|error| self.unavailable(error))?.0 {
            Reply::Hello { protocol, .. } if protocol <= STARTER_PROTOCOL => Ok(connection),
            Reply::Hello { protocol, version, .. } => Err(self.unavailable(format!(
                "its version {version} speaks protocol {protocol}, this server at most {STARTER_PROTOCOL}; use a server of that version"
            ))),
            other => Err(self.unexpected(&other)),
        }
    }

    fn park(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn unavailable(&self, error: impl std::fmt::Display) -> RuntimeError {
        RuntimeError::Unavailable { reason: format!("starter at {}: {error}", self.socket.display()) }
    }

    fn silent(&self) -> RuntimeError {
        self.unavailable(format_args!("no answer for {} s; see its log", self.timeout.as_secs_f32()))
    }

    fn unexpected(&self, reply: &Reply) -> RuntimeError {
        match reply {
            Reply::Failed { message, .. } => self.unavailable(message),
            other => self.unavailable(format_args!("an answer that does not fit the request: {other:?}")),
        }
    }
}

#[async_trait]
impl Runtime for Native {
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError> {
        match self.ask(&Request::Images).await?.0 {
            Reply::Images { images } => Ok(images),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn images_being_built(&self) -> Vec<ImageId> {
        let builds = tokio::task::spawn_blocking(builds::making).await.unwrap_or_default().into_iter();
        builds.filter(|(_, making)| matches!(making, builds::Making::Running { .. })).map(|(id, _)| id).collect()
    }

    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError> {
        let SandboxSpec { id, image, limits, output } = spec;
        let request = Request::Create { id: id.clone(), image: image.clone(), limits, output };
        match self.ask(&request).await?.0 {
            Reply::Created { facts } => Ok(sandbox_facts(facts)),
            Reply::Failed { failure: Failure::NoImage, .. } => Err(RuntimeError::NoImage(image)),
            Reply::Failed { failure: Failure::Exhausted, message } => Err(RuntimeError::Exhausted { reason: message }),
            Reply::Failed { failure: Failure::Create, message } => Err(RuntimeError::Create { id, step: message }),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn destroy(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        match self.ask(&Request::Destroy { id: id.clone() }).await?.0 {
            Reply::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = match self.ask(&Request::List { after }).await?.0 {
                Reply::List { sandboxes } => sandboxes,
                other => return Err(self.unexpected(&other)),
            };
            let more = page.len() >= LIST_PAGE;
            after = page.last().map(|facts| facts.id.clone());
            all.extend(page.into_iter().map(sandbox_facts));
            if !more {
                return Ok(all);
            }
        }
    }

    async fn open_stream(&self, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError> {
        let io = |doing| move |source| RuntimeError::Io { id: id.clone(), doing, source };
        match self.ask(&Request::Connect { id: id.clone() }).await? {
            (Reply::Connected, Some(socket)) => {
                let socket = std::os::unix::net::UnixStream::from(socket);
                socket.set_nonblocking(true).map_err(io("taking the connection over"))?;
                let socket = UnixStream::from_std(socket).map_err(io("taking the connection over"))?;
                let opened = tokio::time::timeout(self.timeout, open_on(socket, id, open)).await;
                opened.unwrap_or_else(|_| Err(io("waiting for the guest's answer")(std::io::ErrorKind::TimedOut.into())))
            }
            (Reply::Failed { failure: Failure::NoSandbox, .. }, _) => Err(RuntimeError::NoSandbox(id.clone())),
            (other, _) => Err(self.unexpected(&other)),
        }
    }

    async fn usage(&self, id: &SandboxId) -> Result<SandboxUsage, RuntimeError> {
        match self.ask(&Request::Usage { id: id.clone() }).await?.0 {
            Reply::Usage { usage } => Ok(sandbox_usage(usage)),
            Reply::Failed { failure: Failure::NoSandbox, .. } => Err(RuntimeError::NoSandbox(id.clone())),
            Reply::Failed { failure: Failure::BadRequest, .. } => {
                let reason = "the starter that runs here is older than the server and does not measure; \
                    `roadstead down` ends it with its sessions, and the next start brings the new one";
                Err(RuntimeError::Unsupported { reason: reason.to_owned() })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    async fn shutdown(&self) -> Result<(), RuntimeError> {
        match self.ask(&Request::Shutdown).await?.0 {
            Reply::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }
}

fn sandbox_facts(facts: Facts) -> SandboxFacts {
    let Facts { id, image, host_pid, uid_base, layers } = facts;
    SandboxFacts { id, image, host_pid, uid_base, layers }
}

fn sandbox_usage(usage: Usage) -> SandboxUsage {
    let Usage { cpu_us, memory_bytes, disk_total_bytes, disk_used_bytes, traffic } = usage;
    SandboxUsage {
        cpu_time: Duration::from_micros(cpu_us),
        memory_bytes,
        disk_total_bytes,
        disk_used_bytes,
        received_bytes: traffic.received_bytes,
        sent_bytes: traffic.sent_bytes,
    }
}
