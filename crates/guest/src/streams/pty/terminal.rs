//! One terminal: its two ends, its program, and the two tasks that serve them.

use super::screen::Screen;
use crate::files::as_user;
use crate::process::{Process, Processes, Program};
use crate::streams::wakes;
use bytes::{Bytes, BytesMut};
use protocol::streams::PtySize;
use protocol::{ToolError, ToolErrorCode};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use types::SandboxUser;

/// How long a terminal that has ended is remembered for somebody to be told.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Most columns and rows.
const MAX_SIDE: u16 = 500;
/// Bytes shown at once.
const CHUNK: usize = 64 * 1024;
/// More than the kernel keeps of a terminal's output: what is read beyond it after the program's end is another's.
const KERNEL_KEEPS: usize = 256 * 1024;

/// A terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) screen: Screen,
    master: AsyncFd<OwnedFd>,
    running: Arc<AtomicBool>,
    kills: mpsc::Sender<oneshot::Sender<()>>,
}

/// What is to be made.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) user: SandboxUser,
    pub(super) size: PtySize,
    pub(super) envs: BTreeMap<String, String>,
    pub(super) cwd: Option<String>,
    pub(super) shell: Option<String>,
}

impl Terminal {
    /// Whether its program runs.
    pub(super) fn runs(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Types `bytes`, as fast as the program reads. A program that has ended reads nothing.
    pub(super) async fn type_in(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(mut guard) = self.master.writable().await else { return };
            match guard.try_io(|master| Ok(rustix::io::write(master, bytes)?)) {
                Ok(Ok(count)) => bytes = &bytes[count..],
                Ok(Err(error)) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Gives it another size, of which the kernel tells the programs on it.
    pub(super) fn resize(&self, size: PtySize) -> Result<(), ToolError> {
        tcsetwinsize(&self.master, window(size)?).map_err(failed("resizing it"))
    }

    /// Kills everything it started and waits until that is gone.
    pub(super) async fn kill(&self) {
        let (gone, told) = oneshot::channel();
        if self.kills.send(gone).await.is_ok() {
            let _ = told.await;
        }
    }

    /// Reads what is shown, until there is nothing more at the moment or a chunk is full.
    fn read_some(&self, master: &OwnedFd, buffer: &mut BytesMut) -> io::Result<Bytes> {
        buffer.resize(CHUNK, 0);
        let mut filled = 0;
        while filled < CHUNK {
            match rustix::io::read(master, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(buffer.split_to(filled).freeze())
    }

    async fn next_shown(&self, buffer: &mut BytesMut) -> io::Result<Bytes> {
        loop {
            if let Ok(shown) = self.master.readable().await?.try_io(|master| self.read_some(master.get_ref(), buffer)) {
                return shown;
            }
        }
    }
}

/// Makes a terminal and starts its program; the receiver gets its exit code.
pub(super) async fn make(number: u64, making: Making, processes: &Processes) -> Result<(Terminal, oneshot::Receiver<i32>), ToolError> {
    let Making { user, size, mut envs, cwd, shell } = making;
    let window = window(size)?;
    envs.entry("TERM".into()).or_insert_with(|| "xterm-256color".into());
    // As the user, who then owns the terminal and may open it by its name.
    let (master, slave) = as_user(user, move || open(window).map_err(no_terminal)).await?;
    let (argv, name) = program(shell, &processes.variables.of(user, &envs)?)?;
    let id = format!("pty-{number}");
    let call = format!("call-{id}").parse().map_err(|error| ToolError::new(ToolErrorCode::Internal, format!("{error}")))?;
    let stdio = slave.as_fd();
    let program = Program { id: &call, user, argv, envs: &envs, cwd: cwd.as_deref(), stdin: Some(stdio), stdout: stdio, stderr: stdio };
    let mut process = processes.start_on_terminal(program, name)?;
    process.executed().await?;
    let master = wakes(master, Interest::READABLE | Interest::WRITABLE)
        .map_err(|error| ToolError::new(ToolErrorCode::Internal, format!("a terminal: {error}")))?;

    let (kills, requests) = mpsc::channel(1);
    let (exited, exit) = oneshot::channel();
    let running = Arc::new(AtomicBool::new(true));
    tokio::spawn(keep(process, slave, running.clone(), exited, requests));
    Ok((Terminal { id, number, screen: Screen::default(), master, running, kills }, exit))
}

/// Shows what the program writes, until it has ended and all has been shown.
pub(super) async fn show(terminal: Arc<Terminal>, mut exit: oneshot::Receiver<i32>) {
    let mut buffer = BytesMut::new();
    let code = loop {
        tokio::select! {
            shown = terminal.next_shown(&mut buffer) => match shown {
                Ok(bytes) => terminal.screen.show(bytes).await,
                // Hung up, which the kernel does when the program ends.
                Err(_) => break exit.await,
            },
            code = &mut exit => break code,
        }
    };
    let mut left = KERNEL_KEEPS;
    while left > 0 {
        match terminal.read_some(terminal.master.get_ref(), &mut buffer) {
            Ok(bytes) if !bytes.is_empty() => {
                left = left.saturating_sub(bytes.len());
                terminal.screen.show(bytes).await;
            }
            _ => break,
        }
    }
    terminal.screen.end(code.unwrap_or(255));
}

/// Waits for the program's end and carries out kills, also later ones, of what it left. Holds the program's end of the
/// terminal: a program that closes its own for a while has not hung up.
async fn keep(
    mut process: Process,
    slave: OwnedFd,
    running: Arc<AtomicBool>,
    exited: oneshot::Sender<i32>,
    mut kills: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut end = Some((slave, exited));
    loop {
        let gone = tokio::select! {
            _ = process.exited(), if end.is_some() => None,
            kill = kills.recv() => match kill {
                Some(gone) => {
                    process.kill().await;
                    Some(gone)
                }
                None => return,
            },
        };
        if let Some((_, exited)) = end.take() {
            let code = process.exited().await;
            running.store(false, Ordering::Relaxed);
            let _ = exited.send(code);
        }
        if let Some(gone) = gone {
            let _ = gone.send(());
        }
    }
}

fn open(window: Winsize) -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    tcsetwinsize(&master, window)?;
    let mut modes = tcgetattr(&slave)?;
    // So that the erase key takes back whole characters.
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    Ok((master, slave))
}

fn window(size: PtySize) -> Result<Winsize, ToolError> {
    let PtySize { cols, rows } = size;
    if !(1..=MAX_SIDE).contains(&cols) || !(1..=MAX_SIDE).contains(&rows) {
        return Err(ToolError::invalid(format!("a terminal of {cols} columns and {rows} rows; both must lie between 1 and {MAX_SIDE}")));
    }
    Ok(Winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 })
}

/// The arguments of the program and its own name, when that is not its path.
fn program(shell: Option<String>, env: &[CString]) -> Result<(Vec<CString>, Option<CString>), ToolError> {
    let Some(shell) = shell else {
        let bash = Path::new("/bin/bash").exists();
        return Ok(if bash {
            (vec![c"/bin/bash".to_owned(), c"-l".to_owned()], Some(c"-bash".to_owned()))
        } else {
            (vec![c"/bin/sh".to_owned()], Some(c"-sh".to_owned()))
        });
    };
    let path = if shell.contains('/') { shell } else { search(&shell, env)? };
    let path = CString::new(path).map_err(|_| ToolError::invalid("shell contains a NUL byte; a path cannot"))?;
    Ok((vec![path], None))
}

/// The first program of that name on the `PATH` of `env`.
fn search(name: &str, env: &[CString]) -> Result<String, ToolError> {
    let path = env.iter().find_map(|variable| variable.to_str().ok()?.strip_prefix("PATH=")).unwrap_or_default();
    let executable = |file: &String| std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    let found = path.split(':').filter(|_| !name.is_empty()).map(|directory| format!("{directory}/{name}")).find(executable);
    found.ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        ToolError::new(ToolErrorCode::NotFound, format!("there is no program {name:?} on PATH ({path}); give its path"))
    })
}

fn no_terminal(error: Errno) -> ToolError {
    match error {
        // What `openpt` makes of ENOSPC.
        Errno::AGAIN => ToolError::new(ToolErrorCode::Busy, "the sandbox is at its limit of terminals; end some and try again"),
        error => failed("making it")(error),
    }
}

fn failed(doing: &'static str) -> impl Fn(Errno) -> ToolError {
    move |error| ToolError::new(ToolErrorCode::Internal, format!("a terminal: {doing} failed: {error}"))
}
