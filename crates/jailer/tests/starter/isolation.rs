//! What a sandbox is walled in by, seen from the host and from inside.

use super::host::{Starter, eventually, status};
use jailer::wire::Facts;
use std::fs;
use types::SandboxLimits;

const NAMESPACES: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];

fn namespaces(pid: &str) -> Vec<(&'static str, String)> {
    let inode = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string();
    NAMESPACES.iter().map(|kind| (*kind, inode(kind))).collect()
}

#[test]
fn the_first_process_is_nobody_on_the_host() {
    let starter = Starter::start(&[]);
    let facts = starter.client().create("sb-one", "box");
    let base = facts.uid_base.to_string();
    assert!(facts.uid_base >= 0x7000_0000);
    for field in ["Uid", "Gid"] {
        assert_eq!(status(facts.host_pid, field).split_whitespace().collect::<Vec<_>>(), [base.as_str(); 4], "{field}");
    }
    assert_eq!(status(facts.host_pid, "Groups"), "");
    assert_eq!(status(facts.host_pid, "NoNewPrivs"), "1");
    assert_eq!(status(facts.host_pid, "Seccomp"), "2");
    // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap
    let expected = format!("{:016x}", 0x8004_05fb_u64);
    for field in ["CapBnd", "CapEff", "CapPrm"] {
        assert_eq!(status(facts.host_pid, field), expected, "{field}");
    }
    for field in ["CapInh", "CapAmb"] {
        assert_eq!(status(facts.host_pid, field), format!("{:016x}", 0), "{field}");
    }
    assert_eq!(status(facts.host_pid, "SigBlk"), format!("{:016x}", 0));
}

#[test]
fn namespaces_are_shared_with_nobody() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let (one, two) = (client.create("sb-one", "box"), client.create("sb-two", "box"));
    assert_ne!(one.uid_base, two.uid_base);
    let all = [namespaces("self"), namespaces(&one.host_pid.to_string()), namespaces(&two.host_pid.to_string())];
    for index in 0..NAMESPACES.len() {
        let inodes: std::collections::BTreeSet<_> = all.iter().map(|list| &list[index].1).collect();
        assert_eq!(inodes.len(), 3, "{:?}", all.each_ref().map(|list| &list[index]));
    }
}

#[test]
fn limits_are_those_asked_for() {
    let starter = Starter::start(&[]);
    let limits = SandboxLimits { memory_bytes: 256 << 20, cpu_millis: 500, pids: 64, open_files: 512 };
    let facts = starter.client().create_with("sb-one", "box", limits);
    let read = |file: &str| {
        let places = starter.cgroups().into_iter().map(|path| path.join("sb-one").join(file));
        places.filter_map(|path| fs::read_to_string(path).ok()).next()
    };
    let either = |v1: &str, v2: &str| read(v1).or_else(|| read(v2)).unwrap_or_else(|| panic!("neither {v1} nor {v2}")).trim().to_owned();
    assert_eq!(either("memory.limit_in_bytes", "memory.max"), (256 << 20).to_string());
    assert_eq!(either("pids.max", "pids.max"), "64");
    assert!(["50000", "50000 100000"].contains(&either("cpu.cfs_quota_us", "cpu.max").as_str()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", facts.host_pid)).unwrap();
    let row = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().rev().take(3).collect::<Vec<_>>();
    assert_eq!(row("Max open files")[1..], ["512", "512"]);
    assert_eq!(row("Max core file size")[1..], ["1", "1"]);
    assert_eq!(fs::read_to_string(format!("/proc/{}/oom_score_adj", facts.host_pid)).unwrap(), "0\n");
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", facts.host_pid)).unwrap();
    let own = format!("roadstead/{}/sb-one", starter.instance);
    for controller in ["memory", "cpu", "pids", "freezer"] {
        let line = groups.lines().find(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller)));
        assert!(line.is_none_or(|line| line.ends_with(&own)), "{groups}");
    }
    assert!(groups.lines().find(|line| line.starts_with("0::")).unwrap().ends_with(&own), "{groups}");
}

#[test]
fn the_process_limit_holds() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create_with("sb-one", "box", SandboxLimits { pids: 24, ..SandboxLimits::default() });
    let answer = client.run(&facts.id, "i=0; while [ $i -lt 60 ]; do sleep 60 > /dev/null 2>&1 & i=$((i+1)); done; echo started $i");
    assert!(answer.contains("fork") && !answer.contains("started 60"), "{answer}");
}

/// Runs `command` in a sandbox and compares its output.
fn check(command: &str, expected: &str) {
    check_in(&Starter::start(&[]), "box", command, expected);
}

fn check_in(starter: &Starter, image: &str, command: &str, expected: &str) -> Facts {
    let mut client = starter.client();
    let facts = client.create("sb-one", image);
    assert_eq!(client.run(&facts.id, command).trim_end(), expected, "{command}");
    facts
}

#[test]
fn inside_is_a_small_world_of_its_own() {
    check(
        "hostname; id -u; cat /proc/self/uid_map | tr -s ' ' | cut -d' ' -f2,4; ls /proc | grep -c '^[0-9]' | sed 's/[2-9]/few/'; ls /sys",
        "sandbox\n0\n0 65536\nfew",
    );
}

#[test]
fn everything_is_writable_but_the_devices() {
    check(
        "echo x > /file && chown 1000:1000 /file && mkdir /bin/d && rm /bin/ls && stat -c %u /file; touch /dev/x 2>&1; echo x > /dev/null && echo null",
        "1000\ntouch: /dev/x: Read-only file system\nnull",
    );
}

#[test]
fn devices_and_mounts_are_there() {
    check(
        "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo no $d; done; \
         [ -c /dev/ptmx ] && [ -d /dev/shm ] && awk '$2 ~ /^.(dev.*|proc|run.roadstead.*)$/ {print $2, $3}' /proc/mounts | sort",
        "/dev tmpfs\n/dev/mqueue mqueue\n/dev/pts devpts\n/dev/shm tmpfs\n/proc proc\n/run/roadstead tmpfs\n/run/roadstead/cgroup cgroup2",
    );
}

#[test]
fn neighbours_share_no_device_node_and_no_terminal() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let (one, two) = (client.create("sb-one", "box"), client.create("sb-two", "box"));
    let mut file_systems = |facts: &Facts| client.run(&facts.id, "stat -c %d /dev/null /dev/pts/ptmx /dev/shm");
    let (one, two) = (file_systems(&one), file_systems(&two));
    for (mine, theirs) in one.lines().zip(two.lines()) {
        assert_ne!(mine, theirs);
    }
    assert_eq!(one.lines().count(), 3, "{one}");
    check("grep -o 'max=.*' /proc/mounts | cut -d' ' -f1", "max=128");
}

#[test]
fn nothing_of_the_host_is_mounted() {
    let starter = Starter::start(&[]);
    let facts = starter.client().create("sb-one", "box");
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", facts.host_pid)).unwrap();
    let kinds: std::collections::BTreeSet<_> = mounts.lines().filter_map(|line| line.split(" - ").nth(1)?.split(' ').next()).collect();
    assert_eq!(kinds, ["cgroup2", "devpts", "mqueue", "overlay", "proc", "tmpfs"].into());
}

#[test]
fn sensitive_proc_entries_are_masked() {
    // Those that this kernel has are the null device.
    check(
        "for f in kcore keys timer_list sysrq-trigger; do [ ! -e /proc/$f ] || stat -c %t:%T /proc/$f | grep -v '^1:3$'; done; echo seen",
        "seen",
    );
}

#[test]
fn namespaces_and_mounts_are_refused() {
    check(
        "unshare -U true 2>&1 | grep -o 'not permitted'; mount -t tmpfs x /tmp 2>&1 | grep -o -i 'permi.*\\|denied'; \
         (echo 5 > /proc/sys/user/max_user_namespaces) 2>/dev/null || echo fixed; cat /proc/sys/user/max_user_namespaces",
        "not permitted\npermission denied (are you root?)\nfixed\n0",
    );
}

#[test]
fn an_image_that_needs_user_namespaces_keeps_its_limit() {
    let starter = Starter::start(&[]);
    let facts = check_in(&starter, "nested", "[ $(cat /proc/sys/user/max_user_namespaces) -gt 0 ] && echo some", "some");
    assert_eq!(facts.image.as_str(), "nested");
}

#[test]
fn the_control_directory_is_closed_to_users() {
    check(
        "stat -c '%a %u' /run/roadstead; mkdir /etc; echo u:x:1000:1000::/:/bin/sh > /etc/passwd; \
         su u -c 'ls /run/roadstead' 2>&1 | grep -o 'denied'",
        "700 0\ndenied",
    );
}

#[test]
fn the_cgroup_is_delegated() {
    check(
        "cd /run/roadstead/cgroup && cat /proc/self/cgroup | grep ^0 && mkdir one && echo $$ > one/cgroup.procs && cat /proc/self/cgroup | grep ^0",
        "0::/\n0::/one",
    );
}

#[test]
fn groups_inside_are_bounded_and_the_deepest_is_removed() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create_with("sb-one", "box", SandboxLimits { pids: 20, ..SandboxLimits::default() });
    // Names as long as they can be: this is the longest path there can be.
    let name = "d".repeat(255);
    let deep = format!("cd /run/roadstead/cgroup; while mkdir {name} 2>/dev/null && cd {name}; do echo in; done | wc -l");
    assert_eq!(client.run(&facts.id, &deep).trim(), "12");
    let wide = "cd /run/roadstead/cgroup; i=0; while [ $i -lt 1000 ] && mkdir w$i 2>/dev/null; do i=$((i+1)); done; echo $i";
    assert_eq!(client.run(&facts.id, wide).trim(), (20 + 64 - 12).to_string());
    client.destroy(&facts.id);
    eventually("no groups", || starter.cgroups().iter().all(|dir| !dir.join("sb-one").exists()));
}

#[test]
fn the_guest_has_its_boot_document_and_no_descriptor_of_the_host() {
    let starter = Starter::start(&[]);
    let mut client = starter.client();
    let facts = client.create("sb-one", "box");
    let argv = client.run(&facts.id, "@argv");
    let (name, boot) = argv.split_once('\n').unwrap();
    let boot: protocol::GuestBoot = serde_json::from_str(boot).unwrap();
    assert_eq!((name, boot.sandbox, boot.cgroup_dir.as_str()), ("roadstead-guest", facts.id.clone(), "/run/roadstead/cgroup"));
    let fds = client.run(&facts.id, "@fds");
    let targets: Vec<_> =
        fds.lines().filter(|line| !line.contains("socket:") && !line.contains("/proc/") && !line.contains("/dev/null")).collect();
    assert_eq!(targets, Vec::<&str>::new(), "{fds}");
    assert!(fds.contains("3 Ok(\"socket:"), "{fds}");
    assert_eq!(client.run(&facts.id, "cat /proc/1/environ | tr '\\0' '\\n'").lines().count(), 2);
}

#[test]
fn layers_lie_over_each_other_and_are_named() {
    let starter = Starter::start(&[]);
    let facts = check_in(&starter, "layered", "cat /bin/marker; [ -e /bin/busybox ] && echo ' on top'", "top on top");
    assert!(
        facts.layers.iter().any(|layer| layer == "erofs") && facts.layers.iter().any(|layer| layer == "directory"),
        "{:?}",
        facts.layers
    );
}

#[test]
fn older_kernels_ways_give_the_same_sandbox() {
    let starter = Starter::start(&["--overlay-by-path", "--erofs-by-loop"]);
    let facts = check_in(&starter, "layered", "cat /bin/marker; echo x > /bin/marker; cat /bin/marker", "topx");
    assert!(facts.layers.iter().any(|layer| layer == "overlay-path"), "{:?}", facts.layers);
}
