//! Isolation as the host sees it: /proc, namespaces, cgroups. What a session says of itself proves nothing.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use tests::{ProcStatus, Rpc, Server, namespace_inode};

const NAMESPACES: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
/// What the sandbox's own root may keep: nothing that reaches outside its namespaces.
const ALLOWED_CAPABILITIES: [u32; 11] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    3,  // CAP_FOWNER
    4,  // CAP_FSETID
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    8,  // CAP_SETPCAP
    10, // CAP_NET_BIND_SERVICE
    18, // CAP_SYS_CHROOT
    31, // CAP_SETFCAP
];

#[tokio::test]
async fn a_sandbox_shares_no_namespace_and_no_uid_with_host_or_neighbour() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let (one, two) = (rpc.create().await?, rpc.create().await?);
    let (pid_one, pid_two) = (rpc.host_pid(&one).await?, rpc.host_pid(&two).await?);

    let own_pid = i32::try_from(std::process::id())?;
    for kind in NAMESPACES {
        let all: BTreeSet<_> = [own_pid, pid_one, pid_two].into_iter().map(|pid| namespace_inode(pid, kind)).collect::<Result<_>>()?;
        assert_eq!(all.len(), 3, "{kind} namespaces are shared: {all:?}");
    }
    let (first, second) = (ProcStatus::of(pid_one)?, ProcStatus::of(pid_two)?);
    for status in [&first, &second] {
        assert!(status.uids().iter().all(|uid| *uid >= 0x7000_0000), "{:?}", status.uids());
        assert_eq!((status.get("Seccomp"), status.get("NoNewPrivs")), ("2", "1"));
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            let mask = u64::from_str_radix(status.get(set), 16)?;
            let allowed: u64 = ALLOWED_CAPABILITIES.iter().map(|cap| 1 << cap).sum();
            assert_eq!(mask & !allowed, 0, "{set} {mask:x} holds more than {allowed:x}");
        }
        assert_eq!(u64::from_str_radix(status.get("CapInh"), 16)? | u64::from_str_radix(status.get("CapAmb"), 16)?, 0);
    }
    assert!(first.uids()[0].abs_diff(second.uids()[0]) >= 65_536, "uid ranges overlap: {:?} {:?}", first.uids(), second.uids());
    assert_eq!(rpc.stdout(&one, "cat /proc/sys/kernel/hostname").await?, rpc.stdout(&one, "hostname").await?);
    Ok(())
}

#[tokio::test]
async fn commands_run_as_the_user_without_any_capability() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    rpc.stdout(&id, "sleep 7531 >/dev/null 2>&1 &").await?;
    let guest = rpc.host_pid(&id).await?;
    // The shell may have ended before what it left behind has become `sleep`.
    let mut found = None;
    tests::wait_until(std::time::Duration::from_secs(10), || {
        found = tests::descendants_of(guest).into_iter().find(|(_, line)| line == "sleep 7531");
        found.is_some()
    });
    let (pid, _) = found.context("the command is not below the guest")?;
    let status = ProcStatus::of(pid)?;
    let base = ProcStatus::of(guest)?.uids()[0];
    assert_eq!(status.uids(), vec![base + 1000; 4]);
    assert_eq!((status.get("CapEff"), status.get("CapPrm")), ("0000000000000000", "0000000000000000"));
    assert_eq!((status.get("Seccomp"), status.get("NoNewPrivs"), status.get("Groups")), ("2", "1", ""));
    let filters: u32 = status.get("Seccomp_filters").parse()?;
    assert!(filters >= 2, "the command's own filter is missing: {filters}");
    Ok(())
}

#[tokio::test]
async fn limits_are_what_the_configuration_says() -> Result<()> {
    let server =
        tests::ServerBuilder::default().serve_arg("--memory-mib=300").serve_arg("--cpu-millis=700").serve_arg("--pids=77").start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let limits = CgroupLimits::of(rpc.host_pid(&id).await?)?;
    assert_eq!(limits, CgroupLimits { memory: "314572800".into(), cpu: 0.7, pids: "77".into() });

    // And they bite: more memory than the limit ends the program, not the session; more processes are refused.
    let eaten = rpc.shell(&id, "python3 -c 'x = bytearray(400 * 1024 * 1024)'", 30_000).await?;
    assert_eq!(eaten["exit_code"], 137, "{eaten}");
    let fits = rpc.shell(&id, "python3 -c 'x = bytearray(100 * 1024 * 1024)'", 30_000).await?;
    assert_eq!(fits["exit_code"], 0, "{fits}");
    let forks = "python3 - <<'E'\nimport os\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0:\n      os.read(0, 1); import time; time.sleep(30)\n    n += 1\nexcept OSError as e:\n  print('refused after', n)\nE";
    let bomb = rpc.shell(&id, forks, 5_000).await?;
    assert!(bomb["stdout"].as_str().is_some_and(|text| text.contains("refused after")), "{bomb}");
    assert_eq!(rpc.stdout(&id, "echo alive").await?, "alive\n");
    Ok(())
}

#[tokio::test]
async fn many_small_programs_that_fill_the_memory_do_not_cost_the_session() -> Result<()> {
    let server = tests::ServerBuilder::default().serve_arg("--memory-mib=64").start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    // Each is smaller than the guest. They stay, so that the next command may find no room; it gets an answer all the same.
    rpc.shell(&id, "for i in $(seq 1500); do sleep 60 & done 2>/dev/null; wait", 10_000).await?;
    rpc.shell(&id, "true", 10_000).await?;
    assert_eq!(rpc.host_pid(&id).await?, guest);
    Ok(())
}

#[tokio::test]
async fn the_guests_own_directory_is_closed_to_the_user_and_a_guest_that_root_stops_hangs_nobody() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let (one, two) = (rpc.create().await?, rpc.create().await?);
    for attempt in
        ["ls /run/roadstead", "cat /run/roadstead/cgroup/cgroup.procs", "echo 1 > /run/roadstead/cgroup/cgroup.kill", "ls /proc/1/fd"]
    {
        let output = rpc.shell(&one, attempt, 10_000).await?;
        assert_ne!(output["exit_code"], 0, "{attempt}: {output}");
    }
    let stop =
        "cd /run/roadstead/cgroup && mkdir stop && (sleep 1; echo 1 > stop/cgroup.procs; echo 1 > stop/cgroup.freeze) >/dev/null 2>&1 &";
    server.cli_ok(&["session", "exec", &one, "--user", "root", "--", stop])?;
    let guest = rpc.host_pid(&one).await?;
    let frozen = || std::fs::read_to_string(format!("/proc/{guest}/cgroup")).is_ok_and(|groups| groups.contains("/stop"));
    assert!(tests::wait_until(std::time::Duration::from_secs(10), frozen));
    assert_eq!(rpc.stdout(&two, "echo alive").await?, "alive\n");
    rpc.ok("ReleaseMcpSession", &[("SessionId", &one)]).await?;
    assert!(!std::path::Path::new(&format!("/proc/{guest}")).exists());
    Ok(())
}

#[tokio::test]
async fn the_server_has_no_power_of_its_own() -> Result<()> {
    let server = Server::start()?;
    let status = ProcStatus::of(server.pid())?;
    assert!(status.uids().iter().all(|uid| *uid != 0), "{:?}", status.uids());
    assert_eq!((status.get("CapEff"), status.get("CapPrm")), ("0000000000000000", "0000000000000000"));
    let output = as_uid(status.uids()[0], "ls", &server.starter().state_dir())?;
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("denied"), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn what_only_a_privileged_process_could_do_fails_inside() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    for user in ["wuying", "root"] {
        for attempt in [
            "unshare -U true",
            "unshare -m true",
            "mount -t tmpfs none /mnt",
            "mknod /tmp/disk b 254 0",
            "hostname other",
            "ip link set lo down",
            "nft flush ruleset || false",
            "dmesg",
            "echo 1 > /proc/sys/kernel/sysrq",
            "cat /run/roadstead/control.sock && ls /proc/1/root/proc/1/cwd/../../host",
            "kill -9 1 && kill -0 1 && false",
            ": <> /proc/1/mem",
            "ls -l /proc/1/fd",
        ] {
            let output = server.cli(&["session", "exec", &id, "--user", user, "--", attempt])?;
            assert_ne!(output.status.code(), Some(0), "{user}: {attempt}: {output:?}");
        }
    }
    assert_eq!(rpc.stdout(&id, "id -u").await?, "1000\n");
    let root = server.cli_ok(&["session", "exec", &id, "--user", "root", "--", "id -u; touch /usr/made-by-root && echo made"])?;
    assert_eq!(root, "0\nmade\n");
    Ok(())
}

/// The limits that the kernel holds for a process, read from its own cgroups.
#[derive(Debug, PartialEq)]
struct CgroupLimits {
    memory: String,
    cpu: f64,
    pids: String,
}

impl CgroupLimits {
    fn of(pid: i32) -> Result<Self> {
        let membership = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let file = |controller: &str, v1: &str, v2: &str| -> Result<String> {
            let v1_path = membership.lines().find_map(|line| {
                line.split_once(':')
                    .and_then(|(_, rest)| rest.split_once(':'))
                    .filter(|(names, _)| names.split(',').any(|n| n == controller))
            });
            let path = match v1_path {
                Some((names, path)) => {
                    let mounted = [names, controller]
                        .into_iter()
                        .map(|n| format!("/sys/fs/cgroup/{n}{path}/{v1}"))
                        .find(|p| std::path::Path::new(p).exists());
                    mounted.with_context(|| format!("{controller} is not mounted where expected"))?
                }
                None => {
                    let path = membership.lines().find_map(|line| line.strip_prefix("0::")).context("no cgroup at all")?;
                    format!("/sys/fs/cgroup{path}/{v2}")
                }
            };
            Ok(std::fs::read_to_string(&path).with_context(|| path)?.trim().to_owned())
        };
        let quota = file("cpu", "cpu.cfs_quota_us", "cpu.max")?;
        let cpu = match quota.split_once(' ') {
            Some((quota, period)) => quota.parse::<f64>()? / period.parse::<f64>()?,
            None => quota.parse::<f64>()? / file("cpu", "cpu.cfs_period_us", "cpu.max")?.parse::<f64>()?,
        };
        Ok(Self { memory: file("memory", "memory.limit_in_bytes", "memory.max")?, cpu, pids: file("pids", "pids.max", "pids.max")? })
    }
}

fn as_uid(uid: u32, program: &str, argument: &std::path::Path) -> Result<std::process::Output> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(uid).gid(uid);
    }
    Ok(command.arg(argument).output()?)
}
