//! Making one sandbox.
//!
//! Each thing made on the way is owned by a value that undoes it when dropped, so a failure half-way cleans up by the
//! same code as the end of a sandbox.

use super::cgroup::{CgroupError, Hierarchies};
use super::child::{self, FAILED, Handles, READY};
use super::dev;
use super::images::{Image, ImageError, Images, LayerKind};
use super::janitor::Janitor;
use super::overlay::{self, OverlayBy, Upper};
use super::plan::{self, Op, Spec};
use super::sandbox::{Child, Grouped, Sandbox};
use super::sys::{self, Side};
use super::uid_ranges::{Lease, RangeError, UidRanges};
use jailer::wire::{Facts, Failure};
use jailer::{fdpass, net, seccomp};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use protocol::GuestBoot;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::ptr::null;
use std::sync::{Arc, Mutex, PoisonError};
use types::{ImageId, OutputLimit, SandboxId, SandboxLimits};

/// How long a child may take from clone to exec. It takes a few milliseconds; this bounds a host that is stuck.
const SETUP_TIMEOUT_S: i64 = 20;

/// What a sandbox is to be.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Which one.
    pub(crate) id: SandboxId,
    /// From what.
    pub(crate) image: ImageId,
    /// Kernel-enforced limits.
    pub(crate) limits: SandboxLimits,
    /// For its guest.
    pub(crate) output: OutputLimit,
}

/// Why a sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    /// Its image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its uid range.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Its network namespace.
    #[error("making the network namespace: {0}")]
    Net(#[from] net::NetError),
    /// Its cgroups.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A step of the starter's.
    #[error("{doing}: {source}")]
    Io {
        /// Which step.
        doing: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A step of the child's.
    #[error("{step}: {source}")]
    Child {
        /// Which step, in words.
        step: String,
        /// The cause.
        source: io::Error,
    },
    /// The child ended without a word.
    #[error("its first process was killed while it was being set up; look for an out-of-memory kill in the kernel's log")]
    Died,
    /// A defect of the starter's.
    #[error("the starter panicked; see its log")]
    Panicked,
}

impl MakeError {
    /// Its kind on the wire.
    pub(crate) fn failure(&self) -> Failure {
        const FULL: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOSPC, libc::ENOMEM];
        match self {
            Self::Image(ImageError::Missing(_)) => Failure::NoImage,
            Self::Range(RangeError::Exhausted) => Failure::Exhausted,
            Self::Io { source, .. } if source.raw_os_error().is_some_and(|errno| FULL.contains(&errno)) => Failure::Exhausted,
            _ => Failure::Create,
        }
    }
}

fn step(doing: &'static str) -> impl FnOnce(io::Error) -> MakeError {
    move |source| MakeError::Io { doing, source }
}

/// Makes sandboxes. Its threads must live as long as the process: a sandbox dies with the thread that forked it.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) images: Images,
    pub(crate) ranges: Arc<UidRanges>,
    pub(crate) hierarchies: Hierarchies,
    pub(crate) janitor: Arc<Janitor>,
    pub(crate) overlay_by: OverlayBy,
    /// Directory of the sandboxes' uppers.
    pub(crate) uppers: PathBuf,
    /// The guest's binary.
    pub(crate) guest: File,
    /// The host's network namespace.
    pub(crate) host_net: File,
    /// The starter itself.
    pub(crate) starter: OwnedFd,
    /// Hard limit of open files.
    pub(crate) open_files_max: u64,
    /// Hard limit of core files' size, bytes.
    pub(crate) core_size_max: u64,
    /// Held from making the pair of sockets to closing the child's end, so that no other child inherits that end and
    /// keeps it open.
    pub(crate) forking: Mutex<()>,
}

/// The network listeners of a sandbox, for the egress process.
pub(crate) type Listeners = [OwnedFd; 4];

impl Maker {
    /// Makes a sandbox. Its control socket listens when this returns.
    pub(crate) fn make(&self, order: &Order) -> Result<(Sandbox, Listeners), MakeError> {
        let image = self.images.get(&order.image)?;
        let mut lease = self.ranges.take()?;
        let net = net::create()?;
        let dir = self.uppers.join(order.id.as_str());
        let upper = Upper::create(dir, lease.base(), self.janitor.clone()).map_err(step("making the upper directory"))?;
        let map = lease.map()?.as_fd();
        let root = overlay::mount(self.overlay_by, image.layers(), map, &upper).map_err(step("mounting the overlay"))?;
        let group = self.hierarchies.create(order.id.as_str(), &order.limits, lease.base())?;
        let mut group = Grouped::new(group, self.janitor.clone());
        let (child, control) = self.start(order, &image, &lease, &mut group, root, net.netns.as_fd())?;
        let facts = Facts {
            id: order.id.clone(),
            image: order.image.clone(),
            host_pid: child.pid,
            uid_base: lease.base(),
            layers: self.layers(&image),
        };
        Ok((Sandbox { facts, child, control, _group: group, _upper: upper, _lease: lease }, net.listeners))
    }

    fn layers(&self, image: &Image) -> Vec<String> {
        let mut layers = vec!["user-namespace", "pid-namespace", "mount-namespace", "net-namespace", "ipc-namespace", "uts-namespace"];
        layers.extend(["cgroup-namespace", "seccomp", "no-new-privs", "capabilities"]);
        layers.extend([self.hierarchies.layer(), self.overlay_by.layer()]);
        layers.extend(image.layer_kinds().into_iter().map(LayerKind::layer));
        layers.into_iter().map(str::to_owned).collect()
    }

    /// Starts the first process and follows it until it has become the guest.
    fn start(
        &self,
        order: &Order,
        image: &Image,
        lease: &Lease,
        group: &mut Grouped,
        root: OwnedFd,
        netns: BorrowedFd<'_>,
    ) -> Result<(Child, OwnedFd), MakeError> {
        let plan = self.plan(order, image).map_err(step("writing the plan"))?;
        let dev = dev::create().map_err(step("making the device directory"))?;
        let (cgroup, tasks) = group.open()?;
        let tasks_fds: Vec<_> = tasks.iter().map(AsRawFd::as_raw_fd).collect();
        let (argv, env) = exec_pointers(&plan);

        let forking = self.forking.lock().unwrap_or_else(PoisonError::into_inner);
        let (near, far) = socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| step("making a pair of sockets")(errno.into()))?;
        let handles = Handles {
            parent: far.as_fd(),
            tasks: &tasks_fds,
            root: root.as_fd(),
            dev: dev.as_fd(),
            guest: self.guest.as_fd(),
            starter: self.starter.as_fd(),
            argv: &argv,
            env: &env,
        };
        let child = self
            .fork(lease.base(), netns, cgroup.as_ref().map(AsFd::as_fd), &plan, &handles)
            .map_err(step("starting the first process"))?;
        drop(far);
        drop(forking);

        let write_map = |file| fs::write(format!("/proc/{}/{file}", child.pid), lease.map_line());
        // Whatever the starter's own is; written by the starter, it is also the least that the sandbox can set.
        let _ = fs::write(format!("/proc/{}/oom_score_adj", child.pid), "0");
        write_map("uid_map").and_then(|()| write_map("gid_map")).map_err(step("writing the uid map"))?;
        let control = follow(TimeVal::seconds(SETUP_TIMEOUT_S), near.as_fd(), &plan)?;
        Ok((child, control))
    }

    fn plan(&self, order: &Order, image: &Image) -> io::Result<Vec<Op>> {
        let boot = GuestBoot {
            generation: protocol::GENERATION,
            sandbox: order.id.clone(),
            capabilities: image.manifest.capabilities.clone(),
            output: order.output,
            cgroup_dir: plan::CGROUP_DIR.to_owned(),
        };
        plan::plan(&Spec {
            limits: order.limits,
            open_files_max: self.open_files_max,
            core_size_max: self.core_size_max,
            nested_user_namespaces: image.manifest.nested_user_namespaces,
            boot: serde_json::to_string(&boot)?,
            filter: seccomp::program(seccomp::Profile::Guest),
        })
    }

    /// Clones from inside the sandbox's network namespace (which stays the host's: the user namespace is made in it
    /// and so cannot own it) and under the range's first uid (per-user kernel limits are charged to the maker of a
    /// user namespace).
    fn fork(
        &self,
        uid: u32,
        netns: BorrowedFd<'_>,
        cgroup: Option<BorrowedFd<'_>>,
        plan: &[Op],
        handles: &Handles<'_>,
    ) -> io::Result<Child> {
        let namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        let _back = ThreadIdentity { host_net: &self.host_net };
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        sys::set_thread_euid(uid)?;
        // SAFETY: the child only calls `child::run`, which keeps to async-signal-safe calls and never returns.
        match unsafe { sys::clone(sys::Clone { flags: namespaces, cgroup }) }? {
            Side::Child => child::run(plan, handles),
            Side::Parent(pid, pidfd) => Ok(Child { pid, pidfd }),
        }
    }
}

/// Gives the thread its own uid and network namespace back when dropped.
struct ThreadIdentity<'a> {
    host_net: &'a File,
}

impl Drop for ThreadIdentity<'_> {
    fn drop(&mut self) {
        let back = sys::set_thread_euid(0).and_then(|()| Ok(setns(self.host_net, CloneFlags::CLONE_NEWNET)?));
        if let Err(error) = back {
            // A privileged thread in an unknown place must not go on.
            crate::log!("cannot return to the host's identity: {error}");
            std::process::abort();
        }
    }
}

/// Lets the child go on and hears it out, each time at most for `limit`: its control socket, and then silence, which is
/// exec.
fn follow(limit: TimeVal, child: BorrowedFd<'_>, plan: &[Op]) -> Result<OwnedFd, MakeError> {
    let talking = step("talking to the first process");
    socket::setsockopt(&child, sockopt::ReceiveTimeout, &limit)
        .map_err(io::Error::from)
        .and_then(|()| fdpass::send(child, b"G", &[]))
        .map_err(talking)?;
    let mut message = Vec::new();
    let mut control = None;
    loop {
        let (_, mut fds) = fdpass::recv(child, &mut message).map_err(silence).map_err(step("waiting for the first process"))?;
        match (&message[..], fds.pop(), &control) {
            (&[READY], Some(fd), None) => control = Some(fd),
            ([], _, Some(_)) => return control.ok_or(MakeError::Died),
            (&[FAILED, a, b, c, d, ref errno @ ..], ..) => {
                let index = u32::from_le_bytes([a, b, c, d]) as usize;
                let errno = errno.try_into().map(i32::from_le_bytes).unwrap_or(libc::EIO);
                let step = plan.get(index).map_or_else(|| "an unknown step".to_owned(), ToString::to_string);
                return Err(MakeError::Child { step, source: io::Error::from_raw_os_error(errno) });
            }
            _ => return Err(MakeError::Died),
        }
    }
}

/// Says of a wait that ended without a word what it was; as it comes from the socket it would mean that something ran out.
fn silence(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, format!("it said nothing for {SETUP_TIMEOUT_S} s")),
        _ => error,
    }
}

/// The lists of pointers that exec wants. They point into `plan`.
fn exec_pointers(plan: &[Op]) -> (Vec<*const libc::c_char>, Vec<*const libc::c_char>) {
    let list = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([null()]).collect();
    plan.iter()
        .find_map(|op| match op {
            Op::Exec { argv, env } => Some((list(argv), list(env))),
            _ => None,
        })
        .unwrap_or_else(|| (vec![null()], vec![null()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_child_is_given_up_and_not_taken_for_a_full_host() {
        let (near, _far) = socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let error = follow(TimeVal::milliseconds(20), near.as_fd(), &[]).unwrap_err();
        assert_eq!(error.failure(), Failure::Create, "{error}");
    }
}
