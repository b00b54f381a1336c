//! Checks of the host itself. They only read files, so that anybody may run them.

use super::Finding;
use std::fs;

const MIN_KERNEL: (u32, u32) = (6, 1);
/// From here on an overlay takes its layers as descriptors.
const OVERLAY_BY_DESCRIPTOR: (u32, u32) = (6, 13);

/// All host checks in the order they are shown.
pub(super) fn look() -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    vec![
        kernel(&read("/proc/sys/kernel/osrelease")),
        user_namespaces(&read("/proc/sys/user/max_user_namespaces")),
        file_systems(&read("/proc/filesystems")),
        cgroups(&read("/proc/self/mountinfo")),
        seccomp(&read("/proc/sys/kernel/seccomp/actions_avail")),
        open_files(&read("/proc/self/limits")),
        pids(&read("/proc/sys/kernel/pid_max")),
        inotify(&read("/proc/sys/fs/inotify/max_user_instances")),
        swap(&read("/proc/swaps")),
    ]
}

fn kernel(release: &str) -> Finding {
    let release = release.trim();
    let mut numbers = release.split(['.', '-', '+']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OVERLAY_BY_DESCRIPTOR => {
            Finding::ok("kernel", format!("{release}, all fast paths"))
        }
        (Some(major), Some(minor)) if (major, minor) >= MIN_KERNEL => {
            Finding::ok("kernel", format!("{release}; from 6.13 on sandboxes start a little faster"))
        }
        _ => Finding::fail("kernel", format!("{release:?}"), "Linux 6.1 or newer is needed (Debian 12, Ubuntu 24.04)"),
    }
}

fn user_namespaces(max: &str) -> Finding {
    match max.trim().parse::<u64>() {
        Ok(0) => Finding::fail("user namespaces", "switched off", "sysctl -w user.max_user_namespaces=15000"),
        Ok(max) => Finding::ok("user namespaces", format!("up to {max}")),
        Err(_) => Finding::fail("user namespaces", "not in this kernel", "a kernel with CONFIG_USER_NS is needed"),
    }
}

fn file_systems(list: &str) -> Finding {
    let has = |name: &str| list.lines().any(|line| line.split_whitespace().last() == Some(name));
    match (has("overlay"), has("erofs")) {
        (true, true) => Finding::ok("file systems", "overlay, erofs"),
        (false, _) => Finding::fail("file systems", "no overlay", "modprobe overlay"),
        (true, false) => Finding::fail("file systems", "no erofs", "modprobe erofs (images are erofs files)"),
    }
}

fn cgroups(mountinfo: &str) -> Finding {
    let mounted = |kind: &str| mountinfo.lines().any(|line| line.split(" - ").nth(1).is_some_and(|tail| tail.starts_with(kind)));
    match (mounted("cgroup "), mounted("cgroup2 ")) {
        (true, true) => Finding::ok("cgroups", "v1 controllers and a v2 tree (hybrid)"),
        (true, false) => Finding::ok("cgroups", "v1"),
        (false, true) => Finding::ok("cgroups", "v2"),
        (false, false) => Finding::fail("cgroups", "none mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"),
    }
}

fn seccomp(actions: &str) -> Finding {
    if actions.split_whitespace().any(|action| action == "errno") {
        Finding::ok("seccomp", "filters")
    } else {
        Finding::fail("seccomp", "not in this kernel", "a kernel with CONFIG_SECCOMP_FILTER is needed")
    }
}

fn open_files(limits: &str) -> Finding {
    let hard = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|hard| hard.parse::<u64>().ok());
    match hard {
        Some(hard) if hard < 16_384 => Finding::warn(
            "open files",
            format!("at most {hard} per process"),
            "raise `nofile` in /etc/security/limits.conf to 65536 for thousands of sessions",
        ),
        Some(hard) => Finding::ok("open files", format!("up to {hard} per process")),
        None => Finding::ok("open files", "unlimited"),
    }
}

fn pids(max: &str) -> Finding {
    match max.trim().parse::<u64>() {
        Ok(max) if max <= 32_768 => {
            Finding::warn("processes", format!("pid_max is {max}"), "sysctl -w kernel.pid_max=4194304 for many sessions")
        }
        Ok(max) => Finding::ok("processes", format!("pid_max is {max}")),
        Err(_) => Finding::warn("processes", "pid_max cannot be read", "check that /proc is mounted"),
    }
}

fn inotify(max: &str) -> Finding {
    match max.trim().parse::<u64>() {
        Ok(max) if max < 128 => {
            Finding::warn("inotify", format!("{max} instances per user"), "sysctl -w fs.inotify.max_user_instances=512")
        }
        Ok(max) => Finding::ok("inotify", format!("{max} instances per user")),
        Err(_) => Finding::warn("inotify", "not in this kernel", "programs that watch files will not work"),
    }
}

fn swap(swaps: &str) -> Finding {
    if swaps.lines().nth(1).is_some() {
        Finding::ok("swap", "there")
    } else {
        Finding::warn("swap", "none", "paused sessions can give their memory back only to swap or zram; not needed otherwise")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn kernels_are_judged_by_number_not_by_text() {
        for (release, level) in [
            ("6.1.0-13-amd64", Level::Ok),
            ("6.18.4", Level::Ok),
            ("5.15.0-91-generic", Level::Fail),
            ("10.0.0", Level::Ok),
            ("", Level::Fail),
        ] {
            assert_eq!(kernel(release).level, level, "{release}");
        }
    }

    #[test]
    fn hybrid_cgroups_are_recognised() {
        let text =
            "30 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n31 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert!(cgroups(text).found.contains("hybrid"));
        assert_eq!(cgroups("").level, Level::Fail);
    }

    #[test]
    fn every_failure_names_a_remedy() {
        for finding in [kernel("3.2"), user_namespaces("0"), file_systems(""), cgroups(""), seccomp("")] {
            assert!(finding.level == Level::Fail && !finding.remedy.is_empty(), "{finding:?}");
        }
    }
}
