//! Starting a kernel: its key and ports, its program, the connections to it, and its first sign of readiness.

use super::message::{Body, ConnectionFile, Signer, random};
use super::running::{Channels, Kernel};
use super::spec::Spec;
use super::zmtp::{Kind, Socket};
use crate::process::{Process, Processes, Program};
use nix::unistd::{Gid, Uid};
use protocol::tools::code::Language;
use protocol::{ToolError, ToolErrorCode};
use serde_json::json;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep, timeout_at};
use types::SandboxUser;

/// How long a kernel may take until it answers.
const START_WITHIN: Duration = Duration::from_secs(60);
/// A kernel that ends at once may have found another program at one of its ports.
const ATTEMPTS: usize = 2;
/// Nothing tells when a port is listened on or a subscription has arrived, so both are tried this often.
const TRY_EVERY: Duration = Duration::from_millis(20);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Ports above those that the kernel gives to programs by itself.
const PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_535;
const PORT_TRIES: usize = 200;
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Where connection files may stand.
const DIRECTORIES: [&str; 2] = ["/run", "/tmp"];
/// Bytes kept of what a kernel's program says outside of code.
const LAST_WORDS: usize = 2048;

/// Whom code runs as.
const USER: SandboxUser = SandboxUser::Wuying;

enum NotReady {
    Ended(i32),
    Late,
    Failed(ToolError),
}

/// Starts a language's kernel and waits until it is ready.
///
/// # Errors
/// There is none for the language, or it does not start.
pub(super) async fn start(processes: &Processes, language: Language) -> Result<Kernel, ToolError> {
    let spec = blocking(move || Spec::read(language)).await?;
    let deadline = Instant::now() + START_WITHIN;
    let mut attempt = 1;
    loop {
        let version = processes.variables.version();
        let mut launched = Launched::new(processes, language, &spec).await?;
        let why = match launched.ready(deadline).await {
            Ok(channels) => {
                let Launched { process, last_words, .. } = launched;
                // Greetings and warnings of a start that went well explain no later death.
                last_words.forget();
                return Ok(Kernel::new(process, channels, spec.interrupt_mode, version, last_words));
            }
            Err(why) => why,
        };
        launched.process.kill().await;
        let why = match why {
            NotReady::Ended(_) if attempt < ATTEMPTS => {
                attempt += 1;
                continue;
            }
            NotReady::Ended(code) => format!("it ended with exit code {code}"),
            NotReady::Late => format!("it was not ready after {} s", START_WITHIN.as_secs()),
            NotReady::Failed(error) => error.message,
        };
        let message = format!("the kernel for {} did not start: {why}{}", language.as_str(), launched.last_words.describe());
        return Err(ToolError::new(ToolErrorCode::Internal, message));
    }
}

/// A kernel's program that may not be ready.
struct Launched {
    process: Process,
    ports: [u16; 5],
    signer: Signer,
    last_words: LastWords,
    /// The kernel reads it as it starts; after that nobody needs it.
    _file: PrivateFile,
}

impl Launched {
    async fn new(processes: &Processes, language: Language, spec: &Spec) -> Result<Self, ToolError> {
        let (key, session) = (random()?, random()?);
        let ports = free_ports()?;
        let [shell_port, iopub_port, stdin_port, control_port, hb_port] = ports;
        let file = ConnectionFile {
            transport: "tcp",
            ip: "127.0.0.1",
            shell_port,
            iopub_port,
            stdin_port,
            control_port,
            hb_port,
            signature_scheme: "hmac-sha256",
            key: &key,
            kernel_name: language.as_str(),
        };
        let (text, name) = (json!(file).to_string(), session.clone());
        let file = blocking(move || PrivateFile::write(&name, &text)).await?;
        let argv = spec.arguments(&file.0).into_iter().map(CString::new).collect::<Result<_, _>>();
        let argv = argv.map_err(|_| internal("its specification's argv contains a NUL byte"))?;
        // What the session sets wins over what the image suggests.
        let mut envs = spec.env.clone();
        processes.variables.remove_set(&mut envs);
        let (last_words, writer) = LastWords::listen().map_err(|error| internal(format!("making a pipe failed: {error}")))?;
        let process = processes.start(Program {
            id: &format!("call-kernel-{session}").parse().map_err(|error| internal(format!("its group's name: {error}")))?,
            user: USER,
            argv,
            envs: &envs,
            cwd: None,
            stdin: None,
            stdout: writer.as_fd(),
            stderr: writer.as_fd(),
        })?;
        Ok(Self { process, ports, signer: Signer::new(&key, session), last_words, _file: file })
    }

    async fn ready(&mut self, deadline: Instant) -> Result<Channels, NotReady> {
        self.process.executed().await.map_err(NotReady::Failed)?;
        let answers = answers(self.signer.clone(), self.ports);
        tokio::select! {
            code = self.process.exited() => Err(NotReady::Ended(code)),
            channels = timeout_at(deadline, answers) => match channels {
                Ok(Ok(channels)) => Ok(channels),
                Ok(Err(error)) => Err(NotReady::Failed(internal(format!("its connection broke: {error}")))),
                Err(_) => Err(NotReady::Late),
            },
        }
    }
}

/// Connects, and asks until the kernel answers on both channels: only then does output arrive.
async fn answers(signer: Signer, ports: [u16; 5]) -> io::Result<Channels> {
    let [shell, iopub, _, control, _] = ports;
    let shell = connect(shell, Kind::Dealer).await;
    let iopub = connect(iopub, Kind::Subscriber).await;
    let control = connect(control, Kind::Dealer).await;
    let mut channels = Channels { signer, shell, iopub, control };
    let (mut replied, mut published) = (false, false);
    while !(replied && published) {
        let request = channels.signer.request("ready", "kernel_info_request", &json!({}));
        channels.shell.feed(request).await?;
        channels.shell.flush().await?;
        let again = Instant::now() + ASK_EVERY;
        while !(replied && published) {
            let message = tokio::select! {
                message = channels.iopub.receive() => message?,
                message = channels.shell.receive() => message?,
                () = tokio::time::sleep_until(again) => break,
            };
            match channels.signer.open(&message).map(|incoming| incoming.body) {
                Some(Body::Info) => replied = true,
                Some(_) => published = true,
                None => {}
            }
        }
    }
    Ok(channels)
}

async fn connect(port: u16, kind: Kind) -> Socket {
    loop {
        match Socket::connect((ADDRESS, port), kind).await {
            Ok(socket) => return socket,
            Err(_) => sleep(TRY_EVERY).await,
        }
    }
}

/// Ports that nobody listens on now. All are held until the last is found, so that they differ.
fn free_ports() -> Result<[u16; 5], ToolError> {
    let mut held = Vec::new();
    for _ in 0..PORT_TRIES {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|error| internal(format!("getting random bytes failed: {error}")))?;
        let port = PORTS.start() + u16::from_le_bytes(random) % (PORTS.end() - PORTS.start() + 1);
        if let Ok(listener) = TcpListener::bind((ADDRESS, port)) {
            held.push((port, listener));
        }
        if let [(a, _), (b, _), (c, _), (d, _), (e, _)] = held[..] {
            return Ok([a, b, c, d, e]);
        }
    }
    Err(internal("the sandbox has no free ports above 61000; end programs that listen there and try again"))
}

/// A file that the user of code can read and nobody else; removed when dropped.
struct PrivateFile(PathBuf);

impl PrivateFile {
    fn write(name: &str, text: &str) -> Result<Self, ToolError> {
        let mut last = None;
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(format!(".kernel-{name}.json"));
            // The name is random and must be new: nobody can have put a link there.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let this = Self(path);
                    return match fill(file, text) {
                        Ok(()) => Ok(this),
                        Err(error) => Err(internal(format!("writing its connection file failed: {error}"))),
                    };
                }
                Err(error) => last = Some(format!("making its connection file {} failed: {error}", path.display())),
            }
        }
        Err(internal(last.unwrap_or_default()))
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    nix::unistd::fchown(&file, Some(Uid::from_raw(USER.uid())), Some(Gid::from_raw(USER.uid()))).map_err(io::Error::from)
}

/// The end of what a kernel's program writes outside of code: why it did not start.
#[derive(Debug, Clone)]
pub(super) struct LastWords(Arc<Mutex<Vec<u8>>>);

impl LastWords {
    fn listen() -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let mut pipe = Receiver::from_owned_fd(reader.into())?;
        let words = Self(Arc::default());
        let shared = words.clone();
        // Ends when the last process that holds the pipe does.
        tokio::spawn(async move {
            let mut chunk = [0; LAST_WORDS];
            while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
                let mut kept = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&chunk[..count]);
                let surplus = kept.len().saturating_sub(LAST_WORDS);
                kept.drain(..surplus);
            }
        });
        Ok((words, writer.into()))
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// `; it said: …`, or nothing.
    pub(super) fn describe(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        if text.trim().is_empty() { String::new() } else { format!("; it said: {}", text.trim()) }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ToolError> + Send + 'static) -> Result<T, ToolError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(internal(format!("a thread failed: {error}"))))
}

fn internal(message: impl Into<String>) -> ToolError {
    ToolError::new(ToolErrorCode::Internal, message)
}
