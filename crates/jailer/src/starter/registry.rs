//! The sandboxes that exist, and every change to them: made, reached, ended, found dead.

use super::egress::Egress;
use super::maker::{Listeners, MakeError, Maker, Order};
use super::sandbox::Sandbox;
use super::usage::Meter;
use jailer::wire::{Facts, Failure, Usage};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use types::SandboxId;

/// Threads that make sandboxes.
const MAKERS: usize = 2;
/// How long the end of a sandbox is waited for. Only a process stuck in the kernel takes longer than a moment.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that failed: kind and text for the wire.
pub(crate) type Refusal = (Failure, String);

/// All sandboxes of this starter.
#[derive(Debug)]
pub(crate) struct Registry {
    maker: Arc<Maker>,
    egress: Arc<Egress>,
    jobs: SyncSender<Job>,
    epoll: Epoll,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<SandboxId, Slot>,
    /// Whose end an epoll event means.
    tokens: HashMap<u64, SandboxId>,
    next_token: u64,
    closing: bool,
}

#[derive(Debug)]
enum Slot {
    Making,
    Live(Box<Sandbox>),
    Ending,
}

#[derive(Debug)]
struct Job {
    order: Order,
    answer: SyncSender<Result<(Sandbox, Listeners), MakeError>>,
}

impl Registry {
    /// An empty registry, its making and reaping threads started.
    pub(crate) fn start(maker: Maker, egress: Arc<Egress>) -> io::Result<Arc<Self>> {
        let (jobs, todo) = sync_channel(0);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let maker = Arc::new(maker);
        let registry = Arc::new(Self { maker, egress, jobs, epoll, state: Mutex::default(), changed: Condvar::new() });
        let todo = Arc::new(Mutex::new(todo));
        for index in 0..MAKERS {
            let (maker, todo) = (registry.maker.clone(), todo.clone());
            std::thread::Builder::new().name(format!("maker-{index}")).spawn(move || make(&maker, &todo))?;
        }
        let reaper = registry.clone();
        std::thread::Builder::new().name("reaper".into()).spawn(move || reaper.reap())?;
        Ok(registry)
    }

    /// The images that sandboxes can be made from.
    pub(crate) fn images(&self) -> Vec<types::ImageManifest> {
        self.maker.images.list()
    }

    /// Makes a sandbox, or returns the one that has this id.
    pub(crate) fn create(&self, order: Order) -> Result<Facts, Refusal> {
        let id = order.id.clone();
        let deadline = Instant::now() + END_TIMEOUT;
        let mut state = self.lock();
        loop {
            match state.slots.get(&id) {
                _ if state.closing => return Err((Failure::Internal, "the starter is shutting down".into())),
                None => break,
                Some(Slot::Live(sandbox)) => return Ok(sandbox.facts.clone()),
                Some(Slot::Making | Slot::Ending) => state = self.wait(state, deadline, &id)?,
            }
        }
        state.slots.insert(id.clone(), Slot::Making);
        drop(state);

        let admitted = self.make(order).and_then(|(sandbox, listeners)| {
            let facts = sandbox.facts.clone();
            self.lock().slots.insert(id.clone(), Slot::Live(Box::new(sandbox)));
            self.egress.add(&id, &listeners);
            // Only now, so that the egress process hears of its end after its beginning.
            self.watch(&id).inspect_err(|_| self.egress.remove(&id))?;
            Ok(facts)
        });
        if admitted.is_err() {
            let slot = self.lock().slots.remove(&id);
            drop(slot);
        }
        self.changed.notify_all();
        admitted
    }

    /// Has the reaper told when sandbox `id` ends; at once if it already did.
    fn watch(&self, id: &SandboxId) -> Result<(), Refusal> {
        let mut state = self.lock();
        let token = state.next_token;
        state.next_token += 1;
        if let Some(Slot::Live(sandbox)) = state.slots.get(id) {
            self.epoll
                .add(sandbox.pidfd(), EpollEvent::new(EpollFlags::EPOLLIN, token))
                .map_err(|errno| (Failure::Exhausted, format!("watching sandbox {id}: {errno}")))?;
            state.tokens.insert(token, id.clone());
        }
        Ok(())
    }

    fn make(&self, order: Order) -> Result<(Sandbox, Listeners), Refusal> {
        let (answer, made) = sync_channel(1);
        let gone = || (Failure::Internal, "the making threads have ended".to_owned());
        self.jobs.send(Job { order, answer }).map_err(|_| gone())?;
        let made = made.recv().map_err(|_| gone())?;
        made.map_err(|error| (error.failure(), error.to_string()))
    }

    /// A connection to the guest of sandbox `id`.
    pub(crate) fn connect(&self, id: &SandboxId) -> Result<OwnedFd, Refusal> {
        let state = self.lock();
        let Some(Slot::Live(sandbox)) = state.slots.get(id) else {
            return Err((Failure::NoSandbox, format!("sandbox {id} does not exist")));
        };
        sandbox.connect().map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN) => (Failure::Internal, format!("the guest of sandbox {id} does not accept connections fast enough")),
            Some(libc::ECONNREFUSED) => (Failure::NoSandbox, format!("sandbox {id} has ended")),
            _ => (Failure::Internal, format!("connecting to the guest of sandbox {id}: {error}")),
        })
    }

    /// What sandbox `id` uses.
    pub(crate) fn usage(&self, id: &SandboxId) -> Result<Usage, Refusal> {
        let meter = match self.lock().slots.get(id) {
            Some(Slot::Live(sandbox)) => sandbox.meter(),
            _ => None,
        };
        let Some(meter) = meter else { return Err((Failure::NoSandbox, format!("sandbox {id} does not exist"))) };
        // Without the lock: nobody's start waits for files and for another process.
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => (Failure::NoSandbox, format!("sandbox {id} has ended")),
            _ => (Failure::Internal, format!("measuring sandbox {id}: {error}")),
        };
        let Meter { group, upper } = meter;
        let (disk_total_bytes, disk_used_bytes) = super::usage::disk(&upper).map_err(failed)?;
        Ok(Usage {
            cpu_us: group.cpu_us().map_err(failed)?,
            memory_bytes: group.memory_bytes().map_err(failed)?,
            disk_total_bytes,
            disk_used_bytes,
            traffic: self.egress.traffic(id).map_err(failed)?,
        })
    }

    /// Ends a sandbox; returns when nothing of it runs.
    pub(crate) fn destroy(&self, id: &SandboxId) -> Result<(), Refusal> {
        let deadline = Instant::now() + END_TIMEOUT;
        let mut state = self.lock();
        loop {
            match state.slots.get(id) {
                None => return Ok(()),
                Some(Slot::Live(sandbox)) => {
                    sandbox.kill().map_err(|error| (Failure::Internal, format!("killing sandbox {id}: {error}")))?;
                }
                Some(Slot::Making | Slot::Ending) => {}
            }
            state = self.wait(state, deadline, id)?;
        }
    }

    /// At most `count` sandboxes that live, in the order of their ids, after the one named.
    pub(crate) fn list(&self, after: Option<&SandboxId>, count: usize) -> Vec<Facts> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.lock();
        let live = state.slots.range::<SandboxId, _>((from, Bound::Unbounded)).filter_map(|(_, slot)| match slot {
            Slot::Live(sandbox) => Some(sandbox.facts.clone()),
            Slot::Making | Slot::Ending => None,
        });
        live.take(count).collect()
    }

    /// The network namespaces of all sandboxes that live.
    pub(crate) fn network_namespaces(&self) -> Vec<(SandboxId, File)> {
        let state = self.lock();
        let live = state.slots.iter().filter_map(|(id, slot)| match slot {
            Slot::Live(sandbox) => Some((id.clone(), sandbox.netns().ok()?)),
            Slot::Making | Slot::Ending => None,
        });
        live.collect()
    }

    /// Ends every sandbox and makes no new ones.
    pub(crate) fn shut_down(&self) -> Result<(), Refusal> {
        let deadline = Instant::now() + END_TIMEOUT;
        let mut state = self.lock();
        state.closing = true;
        while let Some(first) = state.slots.keys().next().cloned() {
            for slot in state.slots.values() {
                if let Slot::Live(sandbox) = slot {
                    sandbox.kill().map_err(|error| (Failure::Internal, format!("killing a sandbox: {error}")))?;
                }
            }
            state = self.wait(state, deadline, &first)?;
        }
        Ok(())
    }

    /// Takes the instance's own cgroup directories away; for when there is no sandbox any more.
    pub(crate) fn remove_groups(&self) {
        self.maker.hierarchies.remove();
    }

    /// Cleans up after every sandbox whose first process ended, however it ended.
    fn reap(&self) {
        let mut events = [EpollEvent::empty(); 32];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => {
                    crate::log!("watching sandboxes: {errno}");
                    std::process::abort();
                }
            };
            for event in &events[..count] {
                self.clean(event.data());
            }
        }
    }

    fn clean(&self, token: u64) {
        let mut state = self.lock();
        let Some(id) = state.tokens.remove(&token) else { return };
        let slot = state.slots.insert(id.clone(), Slot::Ending);
        drop(state);
        self.egress.remove(&id);
        drop(slot);
        self.lock().slots.remove(&id);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, deadline: Instant, id: &SandboxId) -> Result<MutexGuard<'a, State>, Refusal> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err((
                Failure::Internal,
                format!("sandbox {id} has not ended after {} s; a process of it is stuck in the kernel", END_TIMEOUT.as_secs()),
            ));
        }
        Ok(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// Makes sandboxes one after another. Never returns while the process lives.
fn make(maker: &Maker, todo: &Mutex<Receiver<Job>>) {
    if let Err(error) = super::sys::keep_capabilities_over_uid_changes() {
        crate::log!("keeping capabilities over uid changes: {error}");
        std::process::abort();
    }
    loop {
        let job = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Nothing should panic; if it does, the sandboxes that this thread forked must not die with it.
        let made = catch_unwind(AssertUnwindSafe(|| maker.make(&job.order))).unwrap_or(Err(MakeError::Panicked));
        if let Err(error) = &made {
            crate::log!("sandbox {}: {error}", job.order.id);
        }
        // Nobody waits only when the starter is ending; the sandbox is dropped then.
        let _ = job.answer.send(made);
    }
}
