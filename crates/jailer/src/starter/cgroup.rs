//! Control groups: where the host's hierarchies are, and one group per sandbox in each.
//!
//! Groups are called `roadstead/<instance>/<sandbox>` everywhere. A sandbox always has a group in the v2 tree, which
//! is delegated to it (its guest makes one group per command there); limits are set wherever the host has the
//! controller. Nobody writes another process's pid: that waits for an RCU grace period. The child writes `0` to the
//! `tasks` files of v1 itself and is cloned into its v2 group.

mod discover;
mod gauges;

pub(crate) use gauges::Gauges;

use discover::{Layout, Mounts};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use types::SandboxLimits;

/// Controllers without which a sandbox has no walls.
const REQUIRED: [&str; 3] = ["memory", "cpu", "pids"];
/// v1 controllers that a sandbox joins where they are there.
const WELCOME: [&str; 2] = ["freezer", "cpuacct"];
/// How deep groups can be nested inside a sandbox. Deep enough for everyone who nests by hand; a path of so many names
/// is still one the kernel takes, so that whatever a sandbox makes can be removed.
const MAX_DEPTH: u64 = 12;
/// Groups inside a sandbox beyond one for each process. A group is memory of the kernel's that no limit counts.
const SPARE_GROUPS: u64 = 64;
/// Length of a CPU accounting period, µs; the kernel's default.
const CPU_PERIOD: u64 = 100_000;

/// Why the host's cgroups cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    /// A needed controller is nowhere.
    #[error(
        "no cgroup hierarchy with the {0} controller; mount cgroup2 at /sys/fs/cgroup, or boot without cgroup_disable={0} (on some boards: with cgroup_enable={0})"
    )]
    NoController(&'static str),
    /// A file or directory could not be used.
    #[error("cgroup {doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> CgroupError + 'a {
    move |source| CgroupError::Io { doing, path: path.to_owned(), source }
}

/// This instance's directories in the host's hierarchies.
#[derive(Debug)]
pub(crate) struct Hierarchies {
    v1: Vec<V1>,
    v2: PathBuf,
    v2_limits: Vec<&'static str>,
    layout: Layout,
}

#[derive(Debug)]
struct V1 {
    parent: PathBuf,
    controllers: Vec<String>,
}

impl Hierarchies {
    /// Finds the hierarchies and makes this instance's directories. Without a v2 tree one is mounted at `spare`, which
    /// only this mount namespace sees.
    pub(crate) fn find(instance: &str, spare: &Path) -> Result<Self, CgroupError> {
        let table = Path::new("/proc/self/mountinfo");
        let mounts = Mounts::parse(&fs::read_to_string(table).map_err(failed("reading", table))?);
        let v2_root = match &mounts.v2 {
            Some(path) => path.clone(),
            None => {
                fs::create_dir_all(spare).map_err(failed("making", spare))?;
                let none = None::<&str>;
                nix::mount::mount(none, spare, Some("cgroup2"), nix::mount::MsFlags::empty(), none)
                    .map_err(|errno| failed("mounting v2 at", spare)(errno.into()))?;
                spare.to_owned()
            }
        };
        let v2_has = read_words(&v2_root.join("cgroup.controllers"))?;
        let wanted = |name: &str| REQUIRED.contains(&name) || WELCOME.contains(&name);
        let v1_mounts: Vec<_> = mounts.v1.iter().filter(|mount| mount.controllers.iter().any(|name| wanted(name))).collect();

        let mut v2_limits = Vec::new();
        for name in REQUIRED {
            let in_v1 = v1_mounts.iter().any(|mount| mount.controllers.iter().any(|other| other == name));
            match (in_v1, v2_has.iter().any(|other| other == name)) {
                (true, _) => {}
                (false, true) => v2_limits.push(name),
                (false, false) => return Err(CgroupError::NoController(name)),
            }
        }
        let layout = Layout::of(!v1_mounts.is_empty(), mounts.v2.is_some());
        let mut v1 = Vec::new();
        for mount in v1_mounts {
            let parent = mount.path.join("roadstead").join(instance);
            fs::create_dir_all(&parent).map_err(failed("making", &parent))?;
            v1.push(V1 { parent, controllers: mount.controllers.clone() });
        }
        let shared = v2_root.join("roadstead");
        let v2 = shared.join(instance);
        fs::create_dir_all(&v2).map_err(failed("making", &v2))?;
        for parent in [&v2_root, &shared, &v2] {
            hand_down(parent, &v2_limits)?;
        }
        Ok(Self { v1, v2, v2_limits, layout })
    }

    /// The layout's name among a sandbox's layers.
    pub(crate) fn layer(&self) -> &'static str {
        self.layout.layer()
    }

    /// Makes the groups of sandbox `name` with its limits, the v2 one delegated to user and group `owner`.
    pub(crate) fn create(&self, name: &str, limits: &SandboxLimits, owner: u32) -> Result<Group, CgroupError> {
        let v2 = self.v2.join(name);
        let v1: Vec<_> = self.v1.iter().map(|hierarchy| hierarchy.parent.join(name)).collect();
        let mut group = Group { v1, v2, tasks: Vec::new() };
        match self.fill(&mut group, limits, owner) {
            Ok(()) => Ok(group),
            Err(error) => {
                group.remove();
                Err(error)
            }
        }
    }

    fn fill(&self, group: &mut Group, limits: &SandboxLimits, owner: u32) -> Result<(), CgroupError> {
        for (dir, hierarchy) in group.v1.iter().zip(&self.v1) {
            fs::create_dir(dir).map_err(failed("making", dir))?;
            for controller in &hierarchy.controllers {
                limit_v1(dir, controller, limits)?;
            }
            let tasks = dir.join("tasks");
            group.tasks.push(open_to_write(&tasks).map_err(failed("opening", &tasks))?);
        }
        fs::create_dir(&group.v2).map_err(failed("making", &group.v2))?;
        set(&group.v2, "cgroup.max.depth", MAX_DEPTH)?;
        set(&group.v2, "cgroup.max.descendants", u64::from(limits.pids) + SPARE_GROUPS)?;
        for controller in &self.v2_limits {
            limit_v2(&group.v2, controller, limits)?;
        }
        for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
            let path = group.v2.join(file);
            chown(&path, Some(owner), Some(owner)).map_err(failed("delegating", &path))?;
        }
        Ok(())
    }

    /// The groups that an earlier starter of this instance left.
    pub(crate) fn leftovers(&self) -> Vec<Group> {
        let parents = || self.v1.iter().map(|hierarchy| &hierarchy.parent).chain([&self.v2]);
        let mut names: Vec<_> = parents().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten().collect();
        names.retain(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names: std::collections::BTreeSet<_> = names.iter().map(fs::DirEntry::file_name).collect();
        let group = |name| Group {
            v1: self.v1.iter().map(|hierarchy| hierarchy.parent.join(name)).collect(),
            v2: self.v2.join(name),
            tasks: Vec::new(),
        };
        names.iter().map(group).collect()
    }

    /// Takes this instance's empty directories away.
    pub(crate) fn remove(&self) {
        for parent in self.v1.iter().map(|hierarchy| &hierarchy.parent).chain([&self.v2]) {
            // The shared directory above goes with its last instance; until then it is not empty.
            let _ = fs::remove_dir(parent).and_then(|()| fs::remove_dir(parent.parent().unwrap_or(parent)));
        }
    }
}

/// One sandbox's groups.
#[derive(Debug)]
pub(crate) struct Group {
    v1: Vec<PathBuf>,
    v2: PathBuf,
    tasks: Vec<File>,
}

impl Group {
    /// Where its use is counted.
    pub(crate) fn gauges(&self) -> Gauges {
        Gauges { v1: self.v1.clone(), v2: self.v2.clone() }
    }

    /// The v1 `tasks` files, taken out: the child writes `0` to each, and nobody needs them after that.
    pub(crate) fn take_tasks(&mut self) -> Vec<File> {
        std::mem::take(&mut self.tasks)
    }

    /// The v2 directory, to clone a process into.
    pub(crate) fn open_v2(&self) -> Result<File, CgroupError> {
        File::open(&self.v2).map_err(failed("opening", &self.v2))
    }

    /// Kills whatever runs in the group.
    pub(crate) fn kill(&self) {
        // Fails only where nothing is left to kill.
        let _ = write_file(&self.v2.join("cgroup.kill"), "1");
    }

    /// Removes the groups; `false` when a dying process still holds one.
    pub(crate) fn remove(&self) -> bool {
        let mut gone = remove_tree(&self.v2);
        for dir in &self.v1 {
            gone &= removed(fs::remove_dir(dir));
        }
        gone
    }
}

fn limit_v1(dir: &Path, controller: &str, limits: &SandboxLimits) -> Result<(), CgroupError> {
    match controller {
        "memory" => {
            // This order: memory and swap together may not be lower than memory alone.
            set(dir, "memory.limit_in_bytes", limits.memory_bytes)?;
            set_if_there(dir, "memory.memsw.limit_in_bytes", limits.memory_bytes)
        }
        "cpu" => {
            set(dir, "cpu.cfs_period_us", CPU_PERIOD)?;
            set(dir, "cpu.cfs_quota_us", cpu_quota(limits))
        }
        "pids" => set(dir, "pids.max", limits.pids),
        _ => Ok(()),
    }
}

fn limit_v2(dir: &Path, controller: &str, limits: &SandboxLimits) -> Result<(), CgroupError> {
    match controller {
        "memory" => {
            set(dir, "memory.max", limits.memory_bytes)?;
            // v2 counts swap apart; none, so that memory and swap together stay under the limit.
            set_if_there(dir, "memory.swap.max", 0)
        }
        "cpu" => set(dir, "cpu.max", format_args!("{} {CPU_PERIOD}", cpu_quota(limits))),
        _ => set(dir, "pids.max", limits.pids),
    }
}

/// µs of CPU time per period; the kernel takes no less than a millisecond.
fn cpu_quota(limits: &SandboxLimits) -> u64 {
    (u64::from(limits.cpu_millis) * CPU_PERIOD / 1000).max(1000)
}

/// Lets the children of `parent` use `controllers`.
fn hand_down(parent: &Path, controllers: &[&str]) -> Result<(), CgroupError> {
    let path = parent.join("cgroup.subtree_control");
    let given = read_words(&path)?;
    for controller in controllers.iter().filter(|wanted| !given.iter().any(|have| have == *wanted)) {
        write_file(&path, &format!("+{controller}")).map_err(failed("enabling controllers through", &path))?;
    }
    Ok(())
}

fn set(dir: &Path, file: &str, value: impl std::fmt::Display) -> Result<(), CgroupError> {
    let path = dir.join(file);
    write_file(&path, &value.to_string()).map_err(failed("setting", &path))
}

/// As [`set`], for files that only some kernels have.
fn set_if_there(dir: &Path, file: &str, value: u64) -> Result<(), CgroupError> {
    match set(dir, file, value) {
        Err(CgroupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_to_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    io::Write::write_all(&mut open_to_write(path)?, text.as_bytes())
}

fn read_words(path: &Path) -> Result<Vec<String>, CgroupError> {
    let text = fs::read_to_string(path).map_err(failed("reading", path))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// Removes a v2 group with the groups its sandbox made below, deepest first. [`MAX_DEPTH`] bounds how deep they are.
fn remove_tree(root: &Path) -> bool {
    if removed(fs::remove_dir(root)) {
        return true;
    }
    let mut dirs = vec![root.to_owned()];
    let mut next = 0;
    while next < dirs.len() {
        let below = fs::read_dir(&dirs[next]).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
        dirs.extend(below.collect::<Vec<_>>());
        next += 1;
    }
    dirs.iter().rev().all(|dir| removed(fs::remove_dir(dir)))
}

fn removed(result: io::Result<()>) -> bool {
    result.is_ok() || result.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
