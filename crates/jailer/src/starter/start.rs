//! From a bare process to a serving starter, and back.

use super::cgroup::Hierarchies;
use super::egress::Egress;
use super::host::Problem;
use super::images::{CHOOSE, Images, MountChoice};
use super::janitor::Janitor;
use super::maker::Maker;
use super::options::Options;
use super::overlay::OverlayBy;
use super::registry::Registry;
use super::server::Server;
use super::sys;
use super::uid_ranges::UidRanges;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where all starters of a host agree on uid ranges.
const UID_RANGES: &str = "/run/roadstead/uid-ranges";

/// A starter that serves.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it serves.
    pub(crate) socket: PathBuf,
    registry: Arc<Registry>,
    egress: Arc<Egress>,
}

/// Starts everything.
///
/// # Errors
/// The step that failed, and what to do.
pub(crate) fn start(options: &Options) -> Result<Running, Problem> {
    let state = options.state_dir();
    let in_state = |doing: &'static str| {
        let remedy = format!("check {}", state.display());
        move |error: io::Error| Problem::new(format!("{doing}: {error}"), remedy)
    };
    reserve_descriptors().map_err(in_state("opening /dev/null"))?;
    let open_files_max = raise_open_files().map_err(in_state("raising the limit of open files"))?;
    let (_, core_size_max) = getrlimit(Resource::RLIMIT_CORE).map_err(|errno| in_state("reading the limit of core files")(errno.into()))?;
    outlive_sandboxes();
    own_mounts().map_err(in_state("making a mount namespace"))?;
    let root = make_dir(&state.join("root"), 0o755).map_err(in_state("making the mount point of roots"))?;
    std::env::set_current_dir(root).map_err(in_state("entering the mount point of roots"))?;

    let hierarchies = Hierarchies::find(&options.instance, &state.join("cgroup2"))
        .map_err(|error| Problem::new(error.to_string(), "see `roadstead doctor`"))?;
    let janitor = Arc::new(Janitor::new(state.join("trash")).map_err(in_state("making the trash directory"))?);
    let uppers = make_dir(&state.join("sandboxes"), 0o700).map_err(in_state("making the directory of sandboxes"))?;
    clear_leftovers(&hierarchies, &janitor, &uppers);
    let cleaner = janitor.clone();
    spawn("janitor", move || cleaner.run())?;

    let ranges = UidRanges::new(Path::new(UID_RANGES)).map_err(|error| Problem::new(error.to_string(), "check /run/roadstead"))?;
    let identity = ranges.take().map_err(|error| Problem::new(error.to_string(), "end another starter"))?;
    let open = |path: &Path| File::open(path).map_err(|error| Problem::new(format!("{}: {error}", path.display()), "check that file"));
    let starter = || sys::pidfd_open(std::process::id() as libc::pid_t).map_err(in_state("opening a pidfd"));
    let egress = Arc::new(Egress::new(open(&options.egress)?, options.egress_arguments(), identity, starter()?));
    let mounts = make_dir(&state.join("layers"), 0o700).map_err(in_state("making the directory of layers"))?;
    let choice = if options.erofs_by_loop { MountChoice::Loop } else { CHOOSE };
    let maker = Maker {
        images: Images::new(options.images_dir.clone(), mounts, choice),
        ranges,
        hierarchies,
        janitor,
        overlay_by: if options.overlay_by_path { OverlayBy::Path } else { OverlayBy::probe() },
        uppers,
        guest: open(&options.guest)?,
        host_net: open(Path::new("/proc/thread-self/ns/net"))?,
        starter: starter()?,
        open_files_max,
        core_size_max,
        forking: std::sync::Mutex::default(),
    };
    let registry = Registry::start(maker, egress.clone()).map_err(in_state("starting threads"))?;
    let (keeper, sandboxes) = (egress.clone(), registry.clone());
    spawn("egress-keeper", move || keeper.keep(|| sandboxes.network_namespaces()))?;

    let socket = options.run_dir().join("starter.sock");
    let server = Server::bind(&socket, options.server_uid).map_err(|error| {
        Problem::new(format!("cannot listen on {}: {error}", socket.display()), "name another directory with --run-dir")
    })?;
    let served = registry.clone();
    spawn("server", move || server.run(&served, ask_to_end))?;
    crate::log!("serving uid {} on {}", options.server_uid, socket.display());
    Ok(Running { socket, registry, egress })
}

impl Running {
    /// Ends every sandbox and every helper; nothing is left but the log and files being removed.
    pub(crate) fn end(self) {
        crate::log!("ending");
        let _ = fs::remove_file(&self.socket);
        if let Err((_, message)) = self.registry.shut_down() {
            crate::log!("{message}");
        }
        self.egress.stop();
        self.registry.remove_groups();
    }
}

/// Has the main thread end the process.
fn ask_to_end() {
    // The main thread waits for this signal, all others have it blocked.
    let _ = kill(Pid::this(), Signal::SIGTERM);
}

/// Keeps 0 to 3 taken, so that no descriptor of ours is where a sandbox or the egress process finds its own.
fn reserve_descriptors() -> io::Result<()> {
    loop {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        if null.as_raw_fd() > 3 {
            return Ok(());
        }
        // Stays open for as long as the process lives; nothing else ever uses the number.
        let _ = null.into_raw_fd();
    }
}

/// Uses as many descriptors as the host allows; returns how many.
fn raise_open_files() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// When the host's memory runs out, this is the last process to go: everything else here ends with it.
fn outlive_sandboxes() {
    // A container's root may be refused that; the starter then stands as it was started.
    let _ = fs::write("/proc/self/oom_score_adj", "-900");
}

/// A mount namespace of its own: what the host unmounts goes here too, what is mounted here shows nowhere else.
fn own_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
    Ok(())
}

fn make_dir(path: &Path, mode: u32) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    Ok(path.to_owned())
}

/// What an earlier starter of this instance left, and nothing else: its processes died with it.
fn clear_leftovers(hierarchies: &Hierarchies, janitor: &Janitor, uppers: &Path) {
    janitor.take_up_leftovers();
    for entry in fs::read_dir(uppers).into_iter().flatten().flatten() {
        janitor.discard(&entry.path());
    }
    for group in hierarchies.leftovers() {
        janitor.retire(group);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Problem> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Problem::new(format!("cannot start a thread: {error}"), "see `ulimit -u` and free memory"))
}
