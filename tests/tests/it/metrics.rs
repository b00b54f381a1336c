//! `get_metrics`: what a session burns is seen, and it is what the host's kernel counts.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests::{Rpc, Server};

#[tokio::test]
async fn what_a_session_uses_is_what_the_host_counts() -> Result<()> {
    let server = Server::start()?;
    let rpc = Rpc::new(&server)?;
    let id = rpc.create().await?;
    let idle = metrics(&rpc, &id).await?;
    assert_eq!((&idle["cpu_count"], &idle["mem_total"]), (&json!(2), &json!(2_u64 << 30)), "{idle}");
    assert!(number(&idle, "cpu_used_pct") < 60.0, "{idle}");
    assert!(idle["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')), "{idle}");
    let disk = nix::sys::statvfs::statvfs(&server.starter().state_dir())?;
    assert_eq!(idle["disk_total"], disk.blocks() * disk.fragment_size(), "{idle}");

    // One core burns; `tail` keeps 150 MB that have no line in them.
    let before = host_cpu_us(&rpc, &id).await?;
    rpc.stdout(&id, "setsid sh -c 'while :; do :; done' >/dev/null 2>&1 &").await?;
    rpc.stdout(&id, "(setsid sh -c '(head -c 150000000 /dev/zero; sleep 600) | tail' >/dev/null 2>&1 &)").await?;
    let held = wait_for(&rpc, &id, |now| number(now, "mem_used") - number(&idle, "mem_used") > 140e6).await?;
    let burning = wait_for(&rpc, &id, |now| number(now, "cpu_used_pct") > 10.0).await?;
    assert!(number(&burning, "cpu_used_pct") <= 100.0, "{burning}");

    let counted = host_memory(&rpc, &id).await?;
    let said = number(&metrics(&rpc, &id).await?, "mem_used");
    assert!((said - counted).abs() < 32e6 && counted > 140e6, "said {said}, the host counts {counted}; {held}");
    assert!(host_cpu_us(&rpc, &id).await? > before + 100_000.0, "the host saw no CPU time");

    // Another session is charged with nothing of it.
    let other = rpc.create().await?;
    let quiet = metrics(&rpc, &other).await?;
    assert!(number(&quiet, "mem_used") < 100e6, "{quiet}");
    Ok(())
}

pub(crate) async fn metrics(rpc: &Rpc, id: &str) -> Result<Value> {
    let answer = rpc.tool(id, "get_metrics", json!({})).await?;
    assert!(!answer.is_error, "{answer:?}");
    serde_json::from_str(&answer.text).with_context(|| format!("not JSON: {}", answer.text))
}

pub(crate) fn number(metrics: &Value, name: &str) -> f64 {
    metrics[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {metrics}"))
}

async fn wait_for(rpc: &Rpc, id: &str, condition: impl Fn(&Value) -> bool) -> Result<Value> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let now = metrics(rpc, id).await?;
        if condition(&now) {
            return Ok(now);
        }
        assert!(Instant::now() < end, "never came: {now}");
    }
}

/// Memory of the session's group without page cache, bytes, read from the host's files.
async fn host_memory(rpc: &Rpc, id: &str) -> Result<f64> {
    let (v1, v2) = groups(rpc, id).await?;
    let (dir, total, cached) = match v1 {
        Some(dir) => (dir, "memory.usage_in_bytes", ["total_inactive_file", "total_active_file"]),
        None => (v2, "memory.current", ["inactive_file", "active_file"]),
    };
    let stat = std::fs::read_to_string(dir.join("memory.stat"))?;
    let field = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or_default();
    let total: f64 = std::fs::read_to_string(dir.join(total))?.trim().parse()?;
    Ok(total - field(cached[0]) - field(cached[1]))
}

/// CPU time of the session's group, microseconds, likewise.
async fn host_cpu_us(rpc: &Rpc, id: &str) -> Result<f64> {
    let (_, v2) = groups(rpc, id).await?;
    let stat = std::fs::read_to_string(v2.join("cpu.stat"))?;
    Ok(stat.lines().next().and_then(|line| line.strip_prefix("usage_usec ")).context("no usage_usec")?.parse()?)
}

/// The session's own directories: of v1's memory controller, if the host has that, and of v2.
async fn groups(rpc: &Rpc, id: &str) -> Result<(Option<PathBuf>, PathBuf)> {
    let memberships = std::fs::read_to_string(format!("/proc/{}/cgroup", rpc.host_pid(id).await?))?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mount = |kind: &str, controller: &str| {
        let line = mounts.lines().find(|line| {
            line.split_once(" - ").is_some_and(|(_, fs)| {
                let words: Vec<_> = fs.split(' ').collect();
                words[0] == kind && (controller.is_empty() || words[2].split(',').any(|word| word == controller))
            })
        });
        line.and_then(|line| line.split(' ').nth(4)).map(PathBuf::from)
    };
    let path = |list: &str| {
        let line =
            memberships.lines().find(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == list)))?;
        let path = line.splitn(3, ':').nth(2)?;
        // The guest may sit in a group of its own below the sandbox's: /roadstead/INSTANCE/SANDBOX/…
        Some(path.trim_start_matches('/').split('/').take(3).collect::<PathBuf>())
    };
    let v2 = mount("cgroup2", "").context("no cgroup2 mount")?.join(path("").context("no v2 group")?);
    let v1 = mount("cgroup", "memory").zip(path("memory")).map(|(mount, path)| mount.join(path));
    Ok((v1, v2))
}
