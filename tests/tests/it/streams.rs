//! The native API's streams: what comes, comes as it is made, and what is left behind is cleared away.

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use roadstead_sdk::native::{Exec, ReadFile, WriteFile};
use roadstead_sdk::{AgentBay, CommandEvent, CommandStream, PtyOptions};
use std::time::Duration;
use tests::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn output_comes_while_the_program_still_runs() -> Result<()> {
    let (_server, client, id) = session().await?;
    let native = client.native();
    let line = "echo first; echo second >&2; until [ -e /tmp/go ]; do sleep 0.02; done; head -c 3; exit 7";
    let mut command = native.exec_stream(&id, &Exec::new(line).stdin(true)).await?;
    let mut stdin = command.stdin().context("no standard input")?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while out != b"first\n" || err != b"second\n" {
        match event(&mut command).await? {
            CommandEvent::Stdout(bytes) => out.extend_from_slice(&bytes),
            CommandEvent::Stderr(bytes) => err.extend_from_slice(&bytes),
            other => anyhow::bail!("it ended first: {other:?}"),
        }
    }
    // Only now may it go on: what was read above cannot have waited for its end.
    native.exec(&id, &Exec::new("touch /tmp/go")).await?;
    stdin.write_all(b"abcdef").await?;
    stdin.shutdown().await?;
    let mut rest = Vec::new();
    loop {
        match event(&mut command).await? {
            CommandEvent::Stdout(bytes) => rest.extend_from_slice(&bytes),
            CommandEvent::Exited { exit_code, timed_out } => {
                assert_eq!((exit_code, timed_out, &rest[..]), (7, false, &b"abc"[..]));
                return Ok(());
            }
            other => anyhow::bail!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_command_along_but_not_its_terminal() -> Result<()> {
    let (_server, client, id) = session().await?;
    let native = client.native();
    let mut command = native.exec_stream(&id, &Exec::new("echo up; setsid sleep 4321 & sleep 4321")).await?;
    assert!(matches!(event(&mut command).await?, CommandEvent::Stdout(_)));
    let running = async || {
        let done = native.exec(&id, &Exec::new("pgrep -f '^sleep 4321' | wc -l")).await?;
        done.stdout.trim().parse::<u32>().with_context(|| format!("{done:?}"))
    };
    ensure!(running().await? >= 1, "it does not run");
    drop(command);
    let until = tokio::time::Instant::now() + PATIENCE;
    while running().await? != 0 {
        ensure!(tokio::time::Instant::now() < until, "the command outlived its stream");
    }

    let pty = native.pty(&id, PtyOptions::new(), Default::default()).await?;
    let name = pty.id().to_owned();
    drop(pty);
    let mut again = native.pty_connect(&id, &name).await?;
    again.write_all(b"echo $((40+2)); exit 5\n").await?;
    let mut shown = String::new();
    tokio::time::timeout(PATIENCE, again.read_to_string(&mut shown)).await??;
    assert!(shown.contains("42") && again.exit_code() == Some(5), "{shown:?} {:?}", again.exit_code());
    assert!(!native.ptys(&id).await?.contains(&name));
    Ok(())
}

#[tokio::test]
async fn a_client_that_never_reads_stops_the_program_and_not_the_server() -> Result<()> {
    let (server, client, id) = session().await?;
    let native = client.native();
    let before = resident(server.pid())?;
    let command = native.exec_stream(&id, &Exec::new("yes roadstead | tee /tmp/copy")).await?;
    let size = async || {
        let done = native.exec(&id, &Exec::new("stat -c %s /tmp/copy 2>/dev/null || echo 0")).await?;
        done.stdout.trim().parse::<u64>().with_context(|| format!("{done:?}"))
    };
    // It stops when all that is between it and us is full: two looks a while apart see the same.
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut seen = 0;
    loop {
        let now = size().await?;
        if now > 0 && now == seen {
            break;
        }
        ensure!(tokio::time::Instant::now() < until, "it wrote {now} bytes that nobody read, and goes on");
        seen = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let grown = resident(server.pid())?.saturating_sub(before);
    ensure!(grown < 64 << 20, "the server holds {grown} bytes more");
    drop(command);
    Ok(())
}

#[tokio::test]
async fn files_of_any_size_go_in_and_out_whole_or_not_at_all() -> Result<()> {
    const SIZE: usize = 200 << 20;
    let (server, client, id) = session().await?;
    let native = client.native();
    let before = resident(server.pid())?;
    let mut writer = native.write_file(&id, "/tmp/new/big", WriteFile::new().permissions(0o640))?;
    let block: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for _ in 0..SIZE / block.len() {
        writer.write_all(&block).await?;
    }
    assert_eq!(writer.finish().await?, SIZE as u64);
    let grown = resident(server.pid())?.saturating_sub(before);
    ensure!(grown < 96 << 20, "the server held the file: {grown} bytes more");

    let mut reader = native.read_file(&id, "/tmp/new/big", ReadFile::new()).await?;
    assert_eq!((reader.len(), reader.permissions()), (Some(SIZE as u64), Some(0o640)));
    let (mut buffer, mut count) = (vec![0; block.len()], 0);
    while reader.read_exact(&mut buffer).await.is_ok() {
        ensure!(buffer == block, "block {count} differs");
        count += 1;
    }
    assert_eq!(count, SIZE / block.len());
    let inside = native.exec(&id, &Exec::new("sha256sum < /tmp/new/big | head -c 64")).await?.stdout;
    let here = native.exec(&id, &Exec::new(format!("head -c {SIZE} /tmp/new/big | sha256sum | head -c 64"))).await?.stdout;
    assert_eq!(inside, here);

    // A range, and a file whose size the kernel makes up.
    let mut part = Vec::new();
    native.read_file(&id, "/tmp/new/big", ReadFile::new().from(5).at_most(7)).await?.read_to_end(&mut part).await?;
    assert_eq!(part, &block[5..12]);
    let mut status = String::new();
    native.read_file(&id, "/proc/self/status", ReadFile::new()).await?.read_to_string(&mut status).await?;
    assert!(status.contains("Name:"), "{status:?}");

    // A writer that stops half way changes nothing.
    let mut half = native.write_file(&id, "/tmp/new/big", WriteFile::new())?;
    half.write_all(b"half").await?;
    drop(half);
    let entries = || async { native.exec(&id, &Exec::new("stat -c %s /tmp/new/big; ls -A /tmp/new")).await };
    let until = tokio::time::Instant::now() + PATIENCE;
    while entries().await?.stdout != format!("{SIZE}\nbig\n") {
        ensure!(tokio::time::Instant::now() < until, "{:?}", entries().await?);
    }

    // A reader whose file shrinks under it is told, not given less.
    let mut reader = native.read_file(&id, "/tmp/new/big", ReadFile::new()).await?;
    reader.read_exact(&mut buffer).await?;
    native.exec(&id, &Exec::new("truncate -s 1 /tmp/new/big")).await?;
    let mut rest = Vec::new();
    assert!(reader.read_to_end(&mut rest).await.is_err(), "a short file passed for a whole one ({} bytes)", rest.len());
    Ok(())
}

#[tokio::test]
async fn a_stopping_server_tells_its_streams_why() -> Result<()> {
    let (mut server, client, id) = session().await?;
    let native = client.native();
    let mut command = native.exec_stream(&id, &Exec::new("echo up; sleep 4321")).await?;
    assert!(matches!(event(&mut command).await?, CommandEvent::Stdout(_)));
    let stopping = tokio::task::spawn_blocking(move || server.signal_and_wait(nix::sys::signal::Signal::SIGTERM));
    let told = loop {
        match event(&mut command).await {
            Ok(CommandEvent::Exited { exit_code, .. }) => anyhow::bail!("an exit code {exit_code} that is none"),
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(told.contains("stopping"), "{told}");
    assert_eq!(stopping.await??, Some(0));
    Ok(())
}

async fn session() -> Result<(Server, AgentBay, String)> {
    let server = Server::start()?;
    let client = server.agentbay()?;
    let id = client.create(Default::default()).await?.id().to_owned();
    Ok((server, client, id))
}

async fn event(command: &mut CommandStream) -> Result<CommandEvent> {
    let next = tokio::time::timeout(PATIENCE, command.next()).await.context("nothing came")?;
    Ok(next.context("the stream ended without a last word")??)
}

/// Bytes of memory a process has.
fn resident(pid: i32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
