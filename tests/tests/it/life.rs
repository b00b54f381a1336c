//! Sessions outlive the server, end when they should, and leave nothing.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::path::Path;
use std::time::Duration;
use tests::{ProcStatus, Rpc, Server, descendants_of, wait_until};

#[tokio::test]
async fn live_sessions_answer_again_after_kill_nine() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create_with(&[("Labels", r#"{"keep":"me"}"#)]).await?;
    rpc.stdout(&id, "echo before > /tmp/mark; sleep 8642 >/dev/null 2>&1 &").await?;
    let guest = rpc.host_pid(&id).await?;
    let started = start_time(guest)?;

    server.crash_and_restart()?;
    let rpc = Rpc::new(&server)?;
    assert_eq!(rpc.stdout(&id, "cat /tmp/mark").await?, "before\n");
    assert_eq!(rpc.host_pid(&id).await?, guest);
    assert_eq!(start_time(guest)?, started);
    assert!(descendants_of(guest).iter().any(|(_, line)| line == "sleep 8642"));
    assert_eq!(rpc.ok("GetLabel", &[("SessionId", &id)]).await?["Data"]["Labels"], r#"{"keep":"me"}"#);
    rpc.ok("ReleaseMcpSession", &[("SessionId", &id)]).await?;
    assert!(!Path::new(&format!("/proc/{guest}")).exists());
    Ok(())
}

#[tokio::test]
async fn ctrl_c_leaves_sessions_and_down_ends_them() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    assert_eq!(server.signal_and_wait(Signal::SIGINT)?, Some(0));
    assert!(Path::new(&format!("/proc/{guest}")).exists(), "Ctrl-C ended a session");
    server.relaunch()?;
    let rpc = Rpc::new(&server)?;
    assert_eq!(rpc.stdout(&id, "echo alive").await?, "alive\n");

    let starter = server.starter().pid()?;
    server.cli_ok(&["down"])?;
    assert!(wait_until(Duration::from_secs(10), || !Path::new(&format!("/proc/{guest}")).exists()), "a sandbox is left");
    assert!(wait_until(Duration::from_secs(10), || !Path::new(&format!("/proc/{starter}")).exists()), "the starter is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ctrl_c_waits_for_nobody() -> Result<()> {
    let mut server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    let running = {
        let (rpc, id) = (rpc.clone(), id.clone());
        tokio::spawn(async move { rpc.shell(&id, "sleep 8643", 50_000).await })
    };
    assert!(wait_until(Duration::from_secs(5), || descendants_of(guest).iter().any(|(_, line)| line == "sleep 8643")));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.pid()), Signal::SIGINT)?;
    // The first one is being obeyed once nobody listens any more.
    let address = server.fact("endpoint")?.replace("localhost", "127.0.0.1");
    assert!(wait_until(Duration::from_secs(5), || std::net::TcpStream::connect(&address).is_err()));
    let second = std::time::Instant::now();
    assert_eq!(server.signal_and_wait(Signal::SIGINT)?, Some(0));
    assert!(second.elapsed() < Duration::from_secs(5), "it went on waiting for {:?}", second.elapsed());
    assert!(running.await?.is_err());
    server.relaunch()?;
    assert_eq!(Rpc::new(&server)?.stdout(&id, "echo alive").await?, "alive\n");
    Ok(())
}

#[tokio::test]
async fn a_deleted_session_leaves_no_process_cgroup_mount_or_directory() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    // The first sandbox mounts its image, which stays mounted for the next.
    rpc.ok("ReleaseMcpSession", &[("SessionId", &rpc.create().await?)]).await?;
    let settled = || Traces::of(&server).is_ok_and(|traces| traces.cgroups.is_empty() && traces.directories.is_empty());
    assert!(wait_until(Duration::from_secs(10), settled), "{:?}", Traces::of(&server)?);
    let before = Traces::of(&server)?;
    let mut pids = Vec::new();
    for _ in 0..3 {
        let id = rpc.create().await?;
        rpc.stdout(&id, "dd if=/dev/zero of=/tmp/big bs=1M count=30 2>/dev/null; setsid sleep 999 >/dev/null 2>&1 &").await?;
        let guest = rpc.host_pid(&id).await?;
        pids.push(guest);
        pids.extend(descendants_of(guest).into_iter().map(|(pid, _)| pid));
        assert_ne!(Traces::of(&server)?, before, "a live session leaves traces, or this test sees nothing");
        rpc.ok("ReleaseMcpSession", &[("SessionId", &id)]).await?;
    }
    assert!(pids.len() >= 6);
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "{pids:?}");
    // Big uppers are removed in the background: wait for that, then compare everything.
    let clean = wait_until(Duration::from_secs(10), || Traces::of(&server).is_ok_and(|now| now == before));
    assert!(clean, "left behind: {:?} beyond {before:?}", Traces::of(&server)?);
    Ok(())
}

#[tokio::test]
async fn idle_sessions_are_released_and_work_keeps_them() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    // `Timeout` counts seconds when it stands alone.
    let idle = rpc.create_with(&[("Timeout", "2")]).await?;
    let busy = rpc.create_with(&[("Timeout", "2")]).await?;
    let polled = rpc.create_with(&[("Timeout", "2")]).await?;
    let manual = rpc.create_with(&[("ManualRelease", "True")]).await?;
    // One long call is activity all along; status polls are not.
    let work = {
        let (rpc, busy) = (rpc.clone(), busy.clone());
        tokio::spawn(async move { rpc.shell(&busy, "sleep 5; echo done", 20_000).await })
    };
    let gone = |id: &str| {
        let (rpc, id) = (rpc.clone(), id.to_owned());
        async move { rpc.ask("GetSession", &[("SessionId", &id)]).await.map(|a| a.status == 400) }
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    while !(gone(&idle).await? && gone(&polled).await?) {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "idle sessions were not released");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(work.await??["stdout"], "done\n");
    assert!(!gone(&manual).await?);
    Ok(())
}

#[tokio::test]
async fn a_dead_sandbox_is_told_as_such() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(guest), Signal::SIGKILL)?;
    let answer = rpc.ask("CallMcpTool", &[("SessionId", &id), ("Name", "shell"), ("Args", r#"{"command":"id"}"#)]).await?;
    assert!(answer.status >= 400, "{answer:?}");
    let gone = async {
        while rpc.ask("GetSession", &[("SessionId", &id)]).await?.status != 400 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.context("the session never ended")??;
    Ok(())
}

#[tokio::test]
async fn sandboxes_end_with_their_starter() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let guest = rpc.host_pid(&id).await?;
    assert_eq!(ProcStatus::of(guest)?.get("PPid"), server.starter().pid()?.to_string());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.starter().pid()?), Signal::SIGKILL)?;
    assert!(wait_until(Duration::from_secs(10), || !Path::new(&format!("/proc/{guest}")).exists()), "a sandbox outlived its starter");
    // A new starter serves on, and the lost session is told as gone.
    server.starter().launch()?;
    let new = rpc.create().await?;
    assert_eq!(rpc.stdout(&new, "echo on").await?, "on\n");
    let answer = rpc.ask("CallMcpTool", &[("SessionId", &id), ("Name", "shell"), ("Args", r#"{"command":"id"}"#)]).await?;
    assert!(answer.status >= 400, "{answer:?}");
    Ok(())
}

/// What sandboxes of one starter leave on the host, by its own directories and its own instance name.
#[derive(Debug, PartialEq)]
struct Traces {
    mounts: usize,
    cgroups: Vec<String>,
    directories: Vec<String>,
}

impl Traces {
    fn of(server: &Server) -> Result<Self> {
        let starter = server.starter().pid()?;
        let mounts = std::fs::read_to_string(format!("/proc/{starter}/mounts"))?.lines().count();
        let mut cgroups = Vec::new();
        let instance = server.starter().instance();
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup")?.flatten() {
            for base in [hierarchy.path().join("roadstead").join(instance), hierarchy.path().join(instance)] {
                cgroups.extend(
                    std::fs::read_dir(base)
                        .into_iter()
                        .flatten()
                        .flatten()
                        .filter(|e| e.path().is_dir())
                        .map(|e| e.path().display().to_string()),
                );
            }
        }
        cgroups.sort();
        let mut directories: Vec<String> = walk(&server.starter().state_dir().join("sandboxes"));
        directories.sort();
        Ok(Self { mounts, cgroups, directories })
    }
}

fn walk(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path().display().to_string()).collect()
}

/// Field 22 of /proc/PID/stat: a pid that is used again has another one.
fn start_time(pid: i32) -> Result<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("odd stat line")?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned).context("short stat line")
}
