//! Commands.

use crate::bench::{Bench, scenarios, until};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use std::time::{Duration, Instant};

scenarios! {
    "shell-output" => output,
    "shell-plain-text" => plain_text,
    "shell-exit-code" => exit_code,
    "shell-stderr" => stderr,
    "shell-odd-bytes" => odd_bytes,
    "shell-cwd-envs" => cwd_envs,
    "shell-timeout" => timeout,
    "shell-background" => background,
    "shell-no-output" => no_output,
    "shell-big-output" => big_output,
    "shell-parallel" => parallel,
}

async fn output(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("output").await?;
    let text = "erste Zeile: grüße\n世界 🚢\n\tTab und \"quotes\" und \\back\\\n";
    bench.sh(&session, &format!("cat > {folder}/text <<'END'\n{text}END")).await?;
    let ran = session.command().run(format!("cat {folder}/text")).await?;
    ensure!(ran.success() && ran.stdout == text, "{ran:?}");
    Ok(())
}

async fn plain_text(bench: &Bench) -> Result<()> {
    let ran = bench.session().await?.command().run("echo out; echo err >&2").await?;
    ensure!(ran.stdout == "out\n" && ran.stderr == "err\n", "{ran:?}");
    Ok(())
}

async fn exit_code(bench: &Bench) -> Result<()> {
    let session = bench.session().await?;
    for (command, code) in [("true", 0), ("echo some words; exit 7", 7), ("no-such-program", 127)] {
        let ran = session.command().run(command).await?;
        ensure!(ran.exit_code == code && ran.success() == (code == 0), "{command}: {ran:?}");
    }
    Ok(())
}

async fn stderr(bench: &Bench) -> Result<()> {
    let ran = bench.session().await?.command().run("echo out; echo err >&2; echo more; exit 3").await?;
    ensure!((ran.stdout.as_str(), ran.stderr.as_str(), ran.exit_code) == ("out\nmore\n", "err\n", 3), "{ran:?}");
    Ok(())
}

async fn odd_bytes(bench: &Bench) -> Result<()> {
    let ran = bench.session().await?.command().run(r"printf 'a\000b\001c\033[0m\n'").await?;
    ensure!(ran.stdout == "a\0b\u{1}c\u{1b}[0m\n", "{ran:?}");
    Ok(())
}

async fn cwd_envs(bench: &Bench) -> Result<()> {
    let command = bench.session().await?.command();
    let ran = command.run("pwd; echo $COLOUR").cwd("/var/tmp").env("COLOUR", "dark $HOME \"blue\"").await?;
    ensure!(ran.stdout == "/var/tmp\ndark $HOME \"blue\"\n", "{ran:?}");
    let after = command.run("pwd; echo [$COLOUR]").await?;
    ensure!(after.stdout == "/home/wuying\n[]\n", "{after:?}");
    Ok(())
}

async fn timeout(bench: &Bench) -> Result<()> {
    let session = bench.session().await?;
    let began = Instant::now();
    let slow = session.command().run("(setsid sleep 987 >/dev/null 2>&1 &) ; sleep 986").timeout(Duration::from_millis(1500)).await?;
    ensure!(slow.timed_out && !slow.success() && began.elapsed() < Duration::from_secs(20), "{slow:?}");
    let left = bench.sh(&session, "pgrep -fc 'sleep 98[67]$' || true").await?;
    ensure!(left.trim() == "0", "{left}");
    Ok(())
}

async fn background(bench: &Bench) -> Result<()> {
    let session = bench.session().await?;
    let ran = session.command().run("setsid sleep 654 >/dev/null 2>&1 & echo parent done").await?;
    ensure!(ran.stdout == "parent done\n", "{ran:?}");
    until("the child runs", || async { Ok(bench.sh(&session, "pgrep -fc 'sleep 654$' || true").await?.trim() == "1") }).await?;
    bench.sh(&session, "pkill -f 'sleep 654$'").await?;
    Ok(())
}

async fn no_output(bench: &Bench) -> Result<()> {
    let (session, folder) = bench.folder("silent").await?;
    let ran = session.command().run(format!("touch {folder}/done")).await?;
    ensure!(ran.success() && ran.stdout.is_empty(), "{ran:?}");
    ensure!(bench.sh(&session, &format!("ls {folder}")).await? == "done\n");
    Ok(())
}

async fn big_output(bench: &Bench) -> Result<()> {
    let ran = bench.session().await?.command().run("seq -f 'line %.0f' 95000").await?;
    let wanted: String = (1..=95_000).map(|n| format!("line {n}\n")).collect();
    ensure!(ran.stdout == wanted, "{} bytes instead of {}", ran.stdout.len(), wanted.len());
    Ok(())
}

async fn parallel(bench: &Bench) -> Result<()> {
    let command = bench.session().await?.command();
    let began = Instant::now();
    let calls = (0..20).map(|n| command.run(format!("sleep 1; echo answer {n}")).into_future());
    let texts: Vec<_> = try_join_all(calls).await?.into_iter().map(|ran| ran.into_value().stdout).collect();
    let wanted: Vec<_> = (0..20).map(|n| format!("answer {n}\n")).collect();
    ensure!(texts == wanted, "{texts:?}");
    ensure!(began.elapsed() < Duration::from_secs(15), "{:?} for twenty times one second", began.elapsed());
    Ok(())
}
