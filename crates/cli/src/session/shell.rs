//! `roadstead session shell`: a terminal in a session.

use super::exec::{carry, command_line, show};
use super::terminal::{self, Raw};
use super::{Who, exit_code};
use crate::failure::Failure;
use futures::StreamExt;
use nix::sys::signal::Signal;
use roadstead_sdk::native::{Exec, Native, WriteFile};
use roadstead_sdk::{AgentBay, Error, Pty, PtyOptions};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a lost terminal is looked for: as long as a server takes to come back.
const RECONNECT_TIME: Duration = Duration::from_secs(10);
/// Between two looks.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Open a terminal in a session.
#[derive(Debug, clap::Args)]
pub(crate) struct ShellArgs {
    /// The session's id.
    id: String,
    /// Whom it acts as.
    #[arg(long, value_enum, default_value_t = Who::Wuying)]
    user: Who,
    /// Working directory [default: the user's home].
    #[arg(long, value_name = "DIRECTORY")]
    cwd: Option<String>,
    /// Run this instead of a login shell. One word is a line for `sh -c`; several are a program and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How a connection to a terminal ended.
enum End {
    Exited(i32),
    /// A signal asks us to leave; the terminal goes on.
    Signalled(Signal),
    Lost(Error),
}

pub(super) async fn run(client: &AgentBay, args: ShellArgs) -> Result<ExitCode, Failure> {
    let native = client.native();
    if !terminal::on_stdin() {
        return piped(&native, args).await;
    }
    let (cols, rows) = terminal::size();
    let mut options = PtyOptions::new().size(cols, rows);
    if let Some(directory) = args.cwd {
        options = options.cwd(directory);
    }
    if let Some(name) = std::env::var("TERM").ok().filter(|name| !name.is_empty()) {
        options = options.env("TERM", name);
    }
    if !args.command.is_empty() {
        options = options.shell(script(&native, &args.id, &args.command).await?);
    }
    let pty = native.pty(&args.id, options, args.user.into()).await?;
    let raw = Raw::enter()?;
    let ended = attend(&native, &args.id, pty).await;
    drop(raw);
    match ended? {
        End::Exited(code) => Ok(ExitCode::from(exit_code(code))),
        End::Signalled(signal) => Ok(ExitCode::from(exit_code(128 + signal as i32))),
        End::Lost(error) => Err(error.into()),
    }
}

/// Without a terminal here there is none inside: the shell, or the command, reads and writes our streams.
async fn piped(native: &Native, args: ShellArgs) -> Result<ExitCode, Failure> {
    let line = if args.command.is_empty() { r#"exec "${SHELL:-/bin/sh}" -l"#.to_owned() } else { command_line(&args.command) };
    let mut exec = Exec::new(line).user(args.user.into()).stdin(true);
    if let Some(directory) = args.cwd {
        exec = exec.cwd(directory);
    }
    let (code, _) = carry(native.exec_stream(&args.id, &exec).await?).await?;
    Ok(code)
}

/// A terminal runs a program without arguments: a script that becomes the command, and is gone by then.
async fn script(native: &Native, id: &str, command: &[String]) -> Result<String, Failure> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::new(format!("the kernel gives no random numbers: {error}")))?;
    let path = format!("/tmp/.roadstead-{}", data_encoding::HEXLOWER.encode(&random));
    // 0755: whoever the terminal belongs to runs it.
    let mut writer = native.write_file(id, &path, WriteFile::new().permissions(0o755))?;
    let text = format!("#!/bin/sh\nrm -f -- \"$0\"\n{}\n", command_line(command));
    writer.write_all(text.as_bytes()).await.map_err(|error| Failure::new(error.to_string()))?;
    writer.finish().await?;
    Ok(path)
}

/// Joins both terminals until the program inside ends. A connection that drops is made again, once for each time that it
/// worked.
async fn attend(native: &Native, id: &str, mut pty: Pty) -> Result<End, Failure> {
    let mut typed = Some(terminal::stdin());
    loop {
        let (end, seen) = join(&mut pty, &mut typed).await?;
        let End::Lost(error) = end else { return Ok(end) };
        if !seen {
            return Ok(End::Lost(error));
        }
        match again(native, id, pty.id()).await {
            Some(found) => pty = found,
            None => return Ok(End::Lost(error)),
        }
        let (cols, rows) = terminal::size();
        // Should this fail, reading fails as well.
        let _ = pty.resize(cols, rows).await;
    }
}

/// The terminal once more, when it lives and its server comes back in time.
async fn again(native: &Native, id: &str, pty: &str) -> Option<Pty> {
    let until = Instant::now() + RECONNECT_TIME;
    loop {
        match native.pty_connect(id, pty).await {
            Ok(found) => return Some(found),
            Err(error) if error.is_retryable() && Instant::now() < until => tokio::time::sleep(RECONNECT_PAUSE).await,
            Err(_) => return None,
        }
    }
}

/// Carries in both directions over one connection; says how it ended and whether anything came over it.
async fn join(pty: &mut Pty, typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Result<(End, bool), Failure> {
    let watch = |kind| signal(kind).map_err(|error| Failure::new(format!("listening for signals failed: {error}")));
    let mut resized = watch(SignalKind::window_change())?;
    let (mut hangup, mut terminate, mut interrupt) =
        (watch(SignalKind::hangup())?, watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    let input = pty.input();
    // What is typed must not hold up what is shown: a program that reads nothing may have to be looked at.
    let mut typing = std::pin::pin!(async {
        while let Some(receiver) = typed {
            match receiver.recv().await {
                // Should this fail, reading fails as well.
                Some(keys) => drop(input.write(&keys).await),
                None => *typed = None,
            }
        }
        std::future::pending::<()>().await
    });
    let mut out = tokio::io::stdout();
    let mut seen = false;
    loop {
        tokio::select! {
            shown = pty.next() => match shown {
                Some(Ok(bytes)) => {
                    seen = true;
                    if show(&mut out, &bytes).await.is_err() {
                        return Ok((End::Signalled(Signal::SIGPIPE), seen));
                    }
                }
                Some(Err(error)) => return Ok((End::Lost(error), seen)),
                None => match pty.exit_code() {
                    Some(code) => return Ok((End::Exited(code), seen)),
                    None => return Err(Failure::new("the server said nothing of the program's end")),
                },
            },
            () = &mut typing => {}
            _ = resized.recv() => {
                let (cols, rows) = terminal::size();
                let _ = pty.resize(cols, rows).await;
            }
            _ = hangup.recv() => return Ok((End::Signalled(Signal::SIGHUP), seen)),
            _ = terminate.recv() => return Ok((End::Signalled(Signal::SIGTERM), seen)),
            // Not the key, which goes inside.
            _ = interrupt.recv() => return Ok((End::Signalled(Signal::SIGINT), seen)),
        }
    }
}
