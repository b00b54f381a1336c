//! The starter's orders: which sandboxes there are.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use jailer::fdpass;
use jailer::wire::{EgressOrder, EgressReport};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;
use types::SandboxId;

use crate::sandbox::{self, Listeners};
use crate::traffic::Traffic;
use crate::{Shared, budget};

/// Does what comes over `control` until the starter closes it.
pub(crate) async fn obey(control: OwnedFd, shared: Arc<Shared>) -> io::Result<()> {
    // A packet socket, which the libraries have no type for; of this one only readiness is used.
    let control = std::os::unix::net::UnixDatagram::from(control);
    control.set_nonblocking(true)?;
    let control = UnixDatagram::from_std(control)?;
    let mut sandboxes = Sandboxes { running: HashMap::new(), shared };
    tracing::info!("ready");
    loop {
        // Orders are rare: the buffer need not stay.
        let mut message = Vec::new();
        let received = control.async_io(Interest::READABLE, || fdpass::recv(control.as_fd(), &mut message)).await;
        match received {
            Ok((0, _)) => break,
            Ok((length, descriptors)) => match serde_json::from_slice(&message[..length]) {
                Ok(order) => {
                    if let Some(report) = sandboxes.obey(order, descriptors) {
                        let report = serde_json::to_vec(&report)?;
                        control.async_io(Interest::WRITABLE, || fdpass::send(control.as_fd(), &report, &[])).await?;
                    }
                }
                Err(error) => tracing::error!(%error, "an order that is none"),
            },
            Err(error) if error.kind() == io::ErrorKind::InvalidData => tracing::error!(%error, "an order that was cut"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        }
    }
    tracing::info!("the starter is gone");
    Ok(())
}

struct Sandboxes {
    running: HashMap<SandboxId, Running>,
    shared: Arc<Shared>,
}

/// A sandbox that is served; dropping it cuts its connections.
struct Running {
    task: JoinHandle<()>,
    traffic: Arc<Traffic>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sandboxes {
    /// Carries an order out; the answer is for the starter.
    fn obey(&mut self, order: EgressOrder, descriptors: Vec<OwnedFd>) -> Option<EgressReport> {
        match order {
            EgressOrder::Add { id } => match self.add(&id, descriptors) {
                Ok(()) => tracing::info!(sandbox = %id, "serving"),
                Err(error) => tracing::error!(sandbox = %id, %error, "cannot serve a sandbox's way out"),
            },
            EgressOrder::Remove { id } => {
                self.running.remove(&id);
                tracing::info!(sandbox = %id, "removed");
            }
            EgressOrder::Report { id } => return Some(self.report(id)),
        }
        None
    }

    fn report(&self, id: SandboxId) -> EgressReport {
        let traffic = self.running.get(&id).map(|running| running.traffic.now()).unwrap_or_default();
        EgressReport { id, traffic }
    }

    /// Replaces what was there under the same id.
    fn add(&mut self, id: &SandboxId, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        self.running.remove(id);
        let permit: budget::Permit = self
            .shared
            .budget
            .take(sandbox::DESCRIPTORS)
            .ok_or_else(|| io::Error::other("descriptors have run out; raise the hard limit of open files for roadstead-egress"))?;
        let listeners = Listeners::adopt(descriptors)?;
        let traffic = Arc::new(Traffic::default());
        let task = tokio::spawn(sandbox::serve(id.clone(), listeners, Arc::clone(&self.shared), traffic.clone(), permit));
        self.running.insert(id.clone(), Running { task, traffic });
        Ok(())
    }
}
