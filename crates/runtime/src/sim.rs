//! A back end without sandboxes, for tests: what it made is kept as values, and it fails when told to.

use crate::{ByteStream, Runtime, RuntimeError, SandboxFacts, SandboxSpec, SandboxUsage};
use async_trait::async_trait;
use protocol::{StreamOpen, StreamRefusal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use types::{ImageId, ImageManifest, SandboxId};

/// The operations that can be made to fail or to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimOp {
    /// [`Runtime::create`].
    Create,
    /// [`Runtime::destroy`].
    Destroy,
    /// [`Runtime::list`].
    List,
}

/// When an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    /// Before it has done anything.
    Before,
    /// After it has done everything: the caller hears of a failure that was none.
    After,
}

/// Sandboxes as values.
#[derive(Debug, Default)]
pub struct SimRuntime {
    state: Mutex<State>,
    gates: [Arc<RwLock<()>>; 3],
}

#[derive(Debug, Default)]
struct State {
    images: Vec<ImageManifest>,
    building: Vec<ImageId>,
    sandboxes: BTreeMap<SandboxId, SandboxFacts>,
    faults: BTreeMap<SimOp, VecDeque<SimFault>>,
    ports: BTreeSet<u16>,
    usage: SandboxUsage,
    made: i32,
}

impl SimRuntime {
    /// A back end with these images and no sandbox.
    pub fn new(images: Vec<ImageManifest>) -> Self {
        Self { state: Mutex::new(State { images, ..State::default() }), gates: Default::default() }
    }

    /// Makes the next calls of `op` fail, one per entry of `faults`.
    pub fn fail_next(&self, op: SimOp, faults: impl IntoIterator<Item = SimFault>) {
        self.state().faults.entry(op).or_default().extend(faults);
    }

    /// Forgets the failures that are still to come.
    pub fn calm(&self) {
        self.state().faults.clear();
    }

    /// Makes calls of `op` wait until the answer is dropped.
    pub async fn hold(&self, op: SimOp) -> OwnedRwLockWriteGuard<()> {
        self.gates[op as usize].clone().write_owned().await
    }

    /// Lets a sandbox die as if its first process had been killed.
    pub fn kill(&self, id: &SandboxId) {
        self.state().sandboxes.remove(id);
    }

    /// Lets something listen on `port` in every sandbox. It echoes.
    pub fn listen(&self, port: u16) {
        self.state().ports.insert(port);
    }

    /// Lets every sandbox use that much from now on.
    pub fn set_usage(&self, usage: SandboxUsage) {
        self.state().usage = usage;
    }

    /// Says which images are being built.
    pub fn set_images_being_built(&self, images: Vec<ImageId>) {
        self.state().building = images;
    }

    /// Replaces the images.
    pub fn set_images(&self, images: Vec<ImageManifest>) {
        self.state().images = images;
    }

    /// The sandboxes that exist.
    pub fn alive(&self) -> Vec<SandboxId> {
        self.state().sandboxes.keys().cloned().collect()
    }

    async fn faulty<T>(&self, op: SimOp, work: impl FnOnce(&mut State) -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
        let _open = self.gates[op as usize].read().await;
        let mut state = self.state();
        let fault = state.faults.get_mut(&op).and_then(VecDeque::pop_front);
        let failure = || RuntimeError::Unavailable { reason: format!("a simulated failure of {op:?}") };
        match fault {
            Some(SimFault::Before) => Err(failure()),
            Some(SimFault::After) => work(&mut state).and_then(|_| Err(failure())),
            None => work(&mut state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runtime for SimRuntime {
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError> {
        Ok(self.state().images.clone())
    }

    async fn images_being_built(&self) -> Vec<ImageId> {
        self.state().building.clone()
    }

    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError> {
        self.faulty(SimOp::Create, |state| {
            if !state.images.iter().any(|image| image.id == spec.image) {
                return Err(RuntimeError::NoImage(spec.image));
            }
            if let Some(facts) = state.sandboxes.get(&spec.id) {
                return Ok(facts.clone());
            }
            state.made += 1;
            let facts = SandboxFacts {
                id: spec.id.clone(),
                image: spec.image,
                host_pid: state.made,
                uid_base: 0,
                layers: vec!["simulated".into()],
            };
            state.sandboxes.insert(spec.id, facts.clone());
            Ok(facts)
        })
        .await
    }

    async fn destroy(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.faulty(SimOp::Destroy, |state| {
            state.sandboxes.remove(id);
            Ok(())
        })
        .await
    }

    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        self.faulty(SimOp::List, |state| Ok(state.sandboxes.values().cloned().collect())).await
    }

    async fn open_stream(&self, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError> {
        let (exists, listens) = {
            let state = self.state();
            let listens = matches!(open, StreamOpen::Tunnel { port } if state.ports.contains(port));
            (state.sandboxes.contains_key(id), listens)
        };
        if !exists {
            return Err(RuntimeError::NoSandbox(id.clone()));
        }
        if !listens {
            let message = format!("nothing simulated answers {open:?}");
            return Err(RuntimeError::Refused { refusal: StreamRefusal::NothingListens, message });
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(theirs);
            // The caller hanging up is how an echo ends.
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        Ok(Box::new(ours))
    }

    async fn usage(&self, id: &SandboxId) -> Result<SandboxUsage, RuntimeError> {
        let state = self.state();
        let exists = state.sandboxes.contains_key(id);
        exists.then_some(state.usage).ok_or_else(|| RuntimeError::NoSandbox(id.clone()))
    }

    async fn shutdown(&self) -> Result<(), RuntimeError> {
        self.state().sandboxes.clear();
        Ok(())
    }
}
