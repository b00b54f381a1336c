//! Reading the host's cgroup mounts out of `/proc/self/mountinfo`.

use std::path::PathBuf;

/// The cgroup hierarchies that are mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    pub(super) v1: Vec<V1Mount>,
    pub(super) v2: Option<PathBuf>,
}

/// A v1 hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct V1Mount {
    pub(super) path: PathBuf,
    pub(super) controllers: Vec<String>,
}

/// Which generations a host uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    V1,
    V2,
    Hybrid,
}

impl Layout {
    /// From whether v1 controllers are used and whether the host itself mounts a v2 tree.
    pub(super) fn of(v1: bool, v2: bool) -> Self {
        match (v1, v2) {
            (true, true) => Self::Hybrid,
            (true, false) => Self::V1,
            (false, _) => Self::V2,
        }
    }

    /// Its name among a sandbox's layers.
    pub(super) fn layer(self) -> &'static str {
        match self {
            Self::V1 => "cgroup-v1",
            Self::V2 => "cgroup-v2",
            Self::Hybrid => "cgroup-hybrid",
        }
    }
}

impl Mounts {
    /// Reads a mount table. A hierarchy mounted several times counts once, where it is first.
    pub(super) fn parse(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        let mut seen = Vec::new();
        for line in mountinfo.lines() {
            // 36 35 98:0 /root /mount/point rw,noatime shared:1 - type source rw,options
            let Some((mount, file_system)) = line.split_once(" - ") else { continue };
            let mount: Vec<_> = mount.split(' ').collect();
            let file_system: Vec<_> = file_system.split(' ').collect();
            let (&[_, _, device, _, path, ..], &[kind, _, options, ..]) = (&mount[..], &file_system[..]) else { continue };
            if !kind.starts_with("cgroup") || seen.contains(&device) {
                continue;
            }
            seen.push(device);
            let path = PathBuf::from(unescape(path));
            match kind {
                "cgroup2" => drop(mounts.v2.get_or_insert(path)),
                _ => mounts.v1.push(V1Mount { path, controllers: options.split(',').map(str::to_owned).collect() }),
            }
        }
        mounts
    }
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mountinfo: &str, v1: &[(&str, &[&str])], v2: Option<&str>) {
        let mounts = Mounts::parse(mountinfo);
        let found: Vec<_> = mounts.v1.iter().map(|m| (m.path.to_str().unwrap(), m.controllers.clone())).collect();
        for ((path, controllers), (found_path, found_controllers)) in v1.iter().zip(&found) {
            assert_eq!(path, found_path);
            assert!(controllers.iter().all(|name| found_controllers.iter().any(|other| other == name)), "{found_controllers:?}");
        }
        assert_eq!(found.len(), v1.len());
        assert_eq!(mounts.v2, v2.map(PathBuf::from));
    }

    #[test]
    fn a_pure_v2_host() {
        check("30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate", &[], Some("/sys/fs/cgroup"));
    }

    #[test]
    fn a_hybrid_host_with_controllers_mounted_together_and_one_twice() {
        check(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             33 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             34 31 0:32 / /mnt/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/a\\040b rw,relatime - cgroup2 cgroup2 rw",
            &[("/sys/fs/cgroup/cpu,cpuacct", &["cpu", "cpuacct"]), ("/sys/fs/cgroup/memory", &["memory"])],
            Some("/sys/fs/cgroup/a b"),
        );
    }

    #[test]
    fn lines_of_another_shape_are_passed_over() {
        check("\nnonsense\n1 2 3 - cgroup\n1 2 0:1 / /x rw - ext4 /dev/sda rw", &[], None);
    }
}
