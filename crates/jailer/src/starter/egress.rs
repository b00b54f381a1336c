//! Keeping the egress process alive and telling it of every sandbox.

use super::child;
use super::sys;
use super::uid_ranges::Lease;
use jailer::wire::{EgressOrder, EgressReport, Traffic};
use jailer::{fdpass, net};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use types::SandboxId;

/// The descriptor on which it hears its orders.
const ORDERS_FD: RawFd = 3;
/// It reads orders at once; one that does not for this long is taken for hung, and replaced.
const ORDER_TIMEOUT_S: i64 = 5;
/// Waits between starts of one that keeps dying.
const BACKOFF: [Duration; 4] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// One that lived this long has not "kept dying".
const HEALTHY: Duration = Duration::from_secs(30);

/// The egress process, whichever runs at the moment.
#[derive(Debug)]
pub(crate) struct Egress {
    program: File,
    arguments: Vec<String>,
    identity: Lease,
    starter: OwnedFd,
    running: Mutex<Option<Running>>,
    stopping: AtomicBool,
}

#[derive(Debug)]
struct Running {
    orders: OwnedFd,
    pidfd: OwnedFd,
}

impl Egress {
    /// For the binary `program`, to run with `arguments` under the first uid of `identity`. `starter` is our pidfd.
    pub(crate) fn new(program: File, arguments: Vec<String>, identity: Lease, starter: OwnedFd) -> Self {
        Self { program, arguments, identity, starter, running: Mutex::default(), stopping: AtomicBool::new(false) }
    }

    /// Hands over a sandbox's listeners.
    pub(crate) fn add(&self, id: &SandboxId, listeners: &[OwnedFd; 4]) {
        self.order(&EgressOrder::Add { id: id.clone() }, listeners);
    }

    /// A sandbox has ended.
    pub(crate) fn remove(&self, id: &SandboxId) {
        self.order(&EgressOrder::Remove { id: id.clone() }, &[]);
    }

    /// What went through sandbox `id`'s way out; nothing while no process runs.
    ///
    /// # Errors
    /// The process does not answer; it is replaced.
    pub(crate) fn traffic(&self, id: &SandboxId) -> io::Result<Traffic> {
        // Held while waiting for the answer, so that every answer is its asker's.
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = &*slot else { return Ok(Traffic::default()) };
        let asked = report(running.orders.as_fd(), id);
        if let Err(error) = &asked {
            crate::log!("the egress process does not report ({error}); it is replaced");
            let _ = sys::kill(running.pidfd.as_fd());
            *slot = None;
        }
        asked
    }

    /// Ends the process and starts no other.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = sys::kill(running.pidfd.as_fd());
        }
    }

    /// An order that cannot be delivered needs no second try: the next process is told of everything that is there.
    fn order(&self, order: &EgressOrder, fds: &[OwnedFd]) {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = &*slot else { return };
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let message = serde_json::to_vec(order).map_err(io::Error::from);
        if let Err(error) = message.and_then(|message| fdpass::send(running.orders.as_fd(), &message, &fds)) {
            crate::log!("the egress process does not take orders ({error}); it is replaced");
            let _ = sys::kill(running.pidfd.as_fd());
            *slot = None;
        }
    }

    /// Runs the process, and again when it ends, until [`Self::stop`]. `sandboxes` names those that need it. The
    /// calling thread must live as long as the starter: the process dies with it.
    pub(crate) fn keep(&self, sandboxes: impl Fn() -> Vec<(SandboxId, File)>) {
        let mut deaths = 0;
        while !self.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(BACKOFF[deaths.min(BACKOFF.len() - 1)]);
            let started = Instant::now();
            match self.run(&sandboxes) {
                Ok(end) if !self.stopping.load(Ordering::SeqCst) => crate::log!("the egress process ended ({end}); starting it again"),
                Ok(_) => return,
                Err(error) => crate::log!("starting the egress process: {error}"),
            }
            deaths = if started.elapsed() > HEALTHY { 0 } else { deaths + 1 };
        }
    }

    fn run(&self, sandboxes: &impl Fn() -> Vec<(SandboxId, File)>) -> io::Result<std::process::ExitStatus> {
        let (orders, theirs) = socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let limit = TimeVal::seconds(ORDER_TIMEOUT_S);
        socket::setsockopt(&orders, sockopt::SendTimeout, &limit)?;
        socket::setsockopt(&orders, sockopt::ReceiveTimeout, &limit)?;
        let mut child = self.spawn(theirs)?;
        let pidfd = sys::pidfd_open(child.id() as libc::pid_t)?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { orders, pidfd });
        if self.stopping.load(Ordering::SeqCst) {
            self.stop();
        }
        for (id, netns) in sandboxes() {
            match net::listeners_in(netns.as_fd()) {
                Ok(listeners) => self.add(&id, &listeners),
                // One made in this very moment has been handed over by its maker.
                Err(error) => crate::log!("listening again in sandbox {id}: {error}"),
            }
        }
        let end = child.wait();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        end
    }

    /// Executes it by descriptor: its path need not be searchable for the uid it runs as.
    fn spawn(&self, orders: OwnedFd) -> io::Result<Child> {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
        command.arg0("roadstead-egress").args(&self.arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let (uid, starter) = (self.identity.base(), self.starter.as_raw_fd());
        let orders_fd = orders.as_raw_fd();
        let prepare = move || {
            // SAFETY: raw, async-signal-safe calls with integers; `starter` and `orders_fd` are open in the parent
            // for as long as this child is being made.
            unsafe {
                sys::check(libc::dup2(orders_fd, ORDERS_FD).into())?;
                sys::check(libc::syscall(libc::SYS_close_range, ORDERS_FD + 1, u32::MAX, libc::CLOSE_RANGE_CLOEXEC))?;
                // It is not to be spared as the starter is. Refused only where the starter was not spared either.
                let _ = child::write(c"/proc/self/oom_score_adj", b"0");
                child::drop_bounding_set(0)?;
                sys::check(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()))?;
                sys::check(libc::syscall(libc::SYS_setresgid, uid, uid, uid))?;
                sys::check(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
            }
            child::rule_out_new_privileges()?;
            // SAFETY: `starter` is open, as above.
            child::die_with(unsafe { BorrowedFd::borrow_raw(starter) })
        };
        // SAFETY: `prepare` allocates nothing and takes no lock; its errors are bare errno values.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn();
        drop(orders);
        child
    }
}

/// Asks over `orders` what went through the way out of sandbox `id`.
fn report(orders: BorrowedFd<'_>, id: &SandboxId) -> io::Result<Traffic> {
    let order = serde_json::to_vec(&EgressOrder::Report { id: id.clone() })?;
    fdpass::send(orders, &order, &[])?;
    let mut answer = Vec::new();
    // What else it may send along is closed here.
    let (length, _) = fdpass::recv(orders, &mut answer)?;
    let EgressReport { id: of, traffic } = serde_json::from_slice(&answer[..length])?;
    if of == *id { Ok(traffic) } else { Err(io::Error::other(format!("an answer about sandbox {of} instead of {id}"))) }
}
