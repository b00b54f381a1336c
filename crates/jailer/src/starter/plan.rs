//! What a new process does to become a sandbox, as data.
//!
//! [`plan`] writes the list from a [`Spec`]; nothing here touches the kernel, so the list can be read and tested
//! anywhere. [`super::child`] is the one place that carries it out.

use super::child::Resource;
use super::text::c_text;
use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, c_ulong, sock_filter};
use std::ffi::CString;
use std::io;
use types::SandboxLimits;

/// Where the guest finds its delegated cgroup.
pub(crate) const CGROUP_DIR: &str = "/run/roadstead/cgroup";

/// Capabilities a process of a sandbox can ever have, by number, all inside its user namespace:
/// chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap.
pub(crate) const CAPABILITIES: u64 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 18 | 1 << 31;

/// Terminals of a sandbox. The host has about 3,000 for all of them together.
const MAX_TERMINALS: u32 = 128;

/// `/proc` entries that show or steer the whole host.
const HIDDEN: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list"];

/// What a sandbox is to be, as far as the plan depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its limits.
    pub(crate) limits: SandboxLimits,
    /// The hard limit of open files that the starter itself has.
    pub(crate) open_files_max: u64,
    /// The hard limit of core files' size that the starter itself has, bytes.
    pub(crate) core_size_max: u64,
    /// Whether user namespaces may be made inside.
    pub(crate) nested_user_namespaces: bool,
    /// The guest's configuration, JSON.
    pub(crate) boot: String,
    /// The guest's system-call filter.
    pub(crate) filter: Vec<sock_filter>,
}

/// One step.
#[derive(Debug)]
pub(crate) enum Op {
    /// Default signal handling, nothing blocked: PID 1 inherits both.
    ResetSignals,
    /// Write `0` to the v1 `tasks` files.
    JoinCgroups,
    /// A cgroup namespace with the place just joined as its root.
    NewCgroupNamespace,
    /// Nothing mounted from here on shows anywhere else.
    PrivateMounts,
    /// Wait until the parent has written the uid and gid maps.
    AwaitMaps,
    /// User and group 0 of the user namespace, no other groups.
    BecomeRoot,
    /// The overlay becomes `/`; the old root stays reachable beneath until [`Op::LeaveOldRoot`], as the kernel mounts
    /// a new `/proc` only where a whole one can be seen.
    EnterRoot,
    /// A directory, unless it is there.
    MakeDir { path: CString, mode: libc::mode_t },
    /// A file system.
    Mount { kind: CString, target: CString, flags: c_ulong, data: CString },
    /// The device directory.
    AttachDev { target: CString },
    /// `/dev/null` over a file, if it is there.
    Hide { path: CString },
    /// Let the host's tree go.
    LeaveOldRoot,
    /// Write a text into a file.
    WriteFile { path: CString, text: CString },
    /// The host name.
    SetHostname(CString),
    /// A session of its own, without a terminal.
    NewSession,
    /// Descriptors 0 to 2 become the sandbox's `/dev/null`.
    NullStdio,
    /// The control socket: bound, listening, left as descriptor 3.
    Listen { path: CString, backlog: i32 },
    /// A resource limit, soft and hard.
    SetLimit { resource: Resource, value: u64 },
    /// The file mode mask.
    SetUmask(libc::mode_t),
    /// No program can gain rights by being executed.
    NoNewPrivileges,
    /// Only these capabilities, now and ever.
    KeepCapabilities(u64),
    /// Dies when the starter dies; ends here if it already has. Undone by a change of uid.
    DieWithStarter,
    /// Hand the starter its descriptor of the control socket.
    HandOver { path: CString },
    /// No descriptor but 0 to 3 survives exec.
    CloseOthers,
    /// The system-call filter.
    Filter(Vec<sock_filter>),
    /// The guest.
    Exec { argv: Vec<CString>, env: Vec<CString> },
}

/// The steps from a fresh clone to the running guest, in order.
///
/// # Errors
/// When a text holds a NUL byte.
pub(crate) fn plan(spec: &Spec) -> io::Result<Vec<Op>> {
    let quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    // Twice: a change of uid undoes it, but a child that waits for its maps must not outlive the starter either.
    let mut ops = vec![Op::DieWithStarter];
    ops.extend([Op::ResetSignals, Op::JoinCgroups, Op::NewCgroupNamespace, Op::PrivateMounts, Op::AwaitMaps, Op::BecomeRoot]);
    ops.push(Op::SetUmask(0o022));
    ops.push(Op::EnterRoot);
    for (path, mode) in [("/proc", 0o555), ("/sys", 0o555), ("/dev", 0o755), ("/tmp", 0o1777), ("/run", 0o755), ("/run/roadstead", 0o700)] {
        ops.push(Op::MakeDir { path: c_text(path)?, mode });
    }
    ops.push(mount("proc", "/proc", quiet, "")?);
    ops.push(Op::AttachDev { target: c_text("/dev")? });
    ops.push(mount(
        "devpts",
        "/dev/pts",
        MS_NOSUID | MS_NOEXEC,
        &format!("newinstance,ptmxmode=0666,mode=0620,gid=5,max={MAX_TERMINALS}"),
    )?);
    ops.push(mount("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, &format!("mode=1777,size={}", spec.limits.memory_bytes / 2))?);
    ops.push(mount("mqueue", "/dev/mqueue", quiet, "")?);
    for path in HIDDEN {
        ops.push(Op::Hide { path: c_text(path)? });
    }
    ops.push(mount("tmpfs", "/run/roadstead", quiet, "mode=0700,size=1m")?);
    ops.push(Op::MakeDir { path: c_text(CGROUP_DIR)?, mode: 0o700 });
    ops.push(mount("cgroup2", CGROUP_DIR, quiet, "")?);
    ops.push(Op::LeaveOldRoot);
    if !spec.nested_user_namespaces {
        ops.push(Op::WriteFile { path: c_text("/proc/sys/user/max_user_namespaces")?, text: c_text("0")? });
    }
    ops.push(Op::SetHostname(c_text("sandbox")?));
    ops.push(Op::NewSession);
    ops.push(Op::NullStdio);
    let socket = c_text("/run/roadstead/control.sock")?;
    ops.push(Op::Listen { path: socket.clone(), backlog: 128 });
    let open_files = u64::from(spec.limits.open_files).min(spec.open_files_max);
    ops.push(Op::SetLimit { resource: libc::RLIMIT_NOFILE, value: open_files });
    // With 1 the kernel dumps nothing at all; with 0 it still starts the host's handler of dumps, outside the sandbox.
    ops.push(Op::SetLimit { resource: libc::RLIMIT_CORE, value: spec.core_size_max.min(1) });
    ops.push(Op::NoNewPrivileges);
    ops.push(Op::KeepCapabilities(CAPABILITIES));
    ops.push(Op::DieWithStarter);
    ops.push(Op::HandOver { path: socket });
    ops.push(Op::CloseOthers);
    ops.push(Op::Filter(spec.filter.clone()));
    ops.push(Op::Exec {
        argv: vec![c_text("roadstead-guest")?, c_text(&spec.boot)?],
        env: vec![c_text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")?, c_text("LANG=C.UTF-8")?],
    });
    Ok(ops)
}

fn mount(kind: &str, target: &str, flags: c_ulong, data: &str) -> io::Result<Op> {
    debug_assert!(flags & MS_BIND == 0, "binds are operations of their own");
    Ok(Op::Mount { kind: c_text(kind)?, target: c_text(target)?, flags, data: c_text(data)? })
}

impl std::fmt::Display for Op {
    /// The step in words, for a message that says which one failed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |text: &CString| text.to_string_lossy().into_owned();
        match self {
            Self::ResetSignals => f.write_str("resetting signals"),
            Self::JoinCgroups => f.write_str("joining the cgroups"),
            Self::NewCgroupNamespace => f.write_str("making a cgroup namespace"),
            Self::PrivateMounts => f.write_str("making the mounts private"),
            Self::AwaitMaps => f.write_str("waiting for the uid map"),
            Self::BecomeRoot => f.write_str("becoming the sandbox's root"),
            Self::EnterRoot => f.write_str("entering the root file system"),
            Self::MakeDir { path, .. } => write!(f, "making {}", text(path)),
            Self::Mount { kind, target, .. } => write!(f, "mounting {} at {}", text(kind), text(target)),
            Self::AttachDev { target } => write!(f, "attaching the devices at {}", text(target)),
            Self::Hide { path } => write!(f, "hiding {}", text(path)),
            Self::LeaveOldRoot => f.write_str("leaving the host's root file system"),
            Self::WriteFile { path, .. } => write!(f, "writing {}", text(path)),
            Self::SetHostname(_) => f.write_str("setting the host name"),
            Self::NewSession => f.write_str("making a session"),
            Self::NullStdio => f.write_str("opening /dev/null"),
            Self::Listen { path, .. } => write!(f, "listening on {}", text(path)),
            Self::SetLimit { resource, value } => write!(f, "setting resource limit {resource} to {value}"),
            Self::SetUmask(_) => f.write_str("setting the file mode mask"),
            Self::NoNewPrivileges => f.write_str("ruling out new privileges"),
            Self::KeepCapabilities(_) => f.write_str("dropping capabilities"),
            Self::DieWithStarter => f.write_str("tying its life to the starter's"),
            Self::HandOver { path } => write!(f, "handing over {}", text(path)),
            Self::CloseOthers => f.write_str("closing descriptors"),
            Self::Filter(_) => f.write_str("installing the system-call filter"),
            Self::Exec { .. } => f.write_str("executing the guest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            limits: SandboxLimits::default(),
            open_files_max: 20_000,
            core_size_max: u64::MAX,
            nested_user_namespaces: false,
            boot: "{}".into(),
            filter: vec![],
        }
    }

    fn words(spec: &Spec) -> Vec<String> {
        plan(spec).unwrap().iter().map(ToString::to_string).collect()
    }

    /// Every earlier step stands before the later one.
    fn check_order(earlier: &[&str], later: &str) {
        let words = words(&spec());
        let place = |wanted: &str| words.iter().position(|word| word == wanted).unwrap_or_else(|| panic!("no step {wanted:?}"));
        for step in earlier {
            assert!(place(step) < place(later), "{step} comes before {later}");
        }
    }

    #[test]
    fn the_filter_comes_last_and_the_death_signal_after_every_change_of_rights() {
        let words = words(&spec());
        assert_eq!(words[words.len() - 2..], ["installing the system-call filter", "executing the guest"]);
        let last_tie = words.iter().rposition(|word| word == "tying its life to the starter's").unwrap();
        for step in ["becoming the sandbox's root", "dropping capabilities"] {
            assert!(words.iter().position(|word| word == step).unwrap() < last_tie, "{step}");
        }
    }

    #[test]
    fn a_child_that_waits_for_its_maps_dies_with_the_starter() {
        let words = words(&spec());
        let tie = words.iter().position(|word| word == "tying its life to the starter's");
        assert!(tie < words.iter().position(|word| word == "waiting for the uid map"));
    }

    #[test]
    fn cgroups_are_joined_before_their_namespace_is_made() {
        check_order(&["joining the cgroups"], "making a cgroup namespace");
        check_order(&["making a cgroup namespace", "entering the root file system"], "mounting cgroup2 at /run/roadstead/cgroup");
    }

    #[test]
    fn proc_is_mounted_while_the_hosts_is_still_there_and_masked_with_the_new_devices() {
        check_order(&["mounting proc at /proc"], "leaving the host's root file system");
        check_order(&["mounting proc at /proc", "attaching the devices at /dev"], "hiding /proc/kcore");
    }

    #[test]
    fn rights_are_dropped_after_the_last_step_that_needs_them() {
        let privileged =
            ["mounting cgroup2 at /run/roadstead/cgroup", "setting the host name", "writing /proc/sys/user/max_user_namespaces"];
        check_order(&privileged, "dropping capabilities");
    }

    #[test]
    fn user_namespaces_inside_are_ruled_out_unless_the_image_needs_them() {
        let step = "writing /proc/sys/user/max_user_namespaces".to_owned();
        assert!(words(&spec()).contains(&step));
        assert!(!words(&Spec { nested_user_namespaces: true, ..spec() }).contains(&step));
    }

    #[test]
    fn open_files_never_exceed_what_the_starter_may_have() {
        let limits = SandboxLimits { open_files: 1 << 20, ..SandboxLimits::default() };
        assert!(words(&Spec { limits, ..spec() }).contains(&format!("setting resource limit {} to 20000", libc::RLIMIT_NOFILE)));
    }

    #[test]
    fn a_nul_byte_is_an_error_and_no_panic() {
        assert!(plan(&Spec { boot: "\0".into(), ..spec() }).is_err());
    }
}
