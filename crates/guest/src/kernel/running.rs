//! A kernel that runs: code goes in, output comes out, and whatever it does there is an end in bounded time.

use super::display::{self, Bundle};
use super::message::{Body, Incoming, Signer};
use super::output::Output;
use super::spec::InterruptMode;
use super::start::LastWords;
use super::zmtp::{Message, Socket};
use crate::process::Process;
use nix::sys::signal::Signal;
use protocol::tools::code::CodeError;
use serde_json::json;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long interrupted code may take to end before its kernel is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Reply and last output come over different connections. Once one says that the code has ended, and nothing has come
/// for this long, the other is not waited for any longer.
const QUIET: Duration = Duration::from_secs(2);
/// How long a dead kernel's last output is waited for.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// A kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    process: Process,
    channels: Channels,
    interrupt_mode: InterruptMode,
    last_words: LastWords,
    requests: u64,
    /// Which version of the session's variables it has.
    pub(super) variables: u64,
}

/// The connections to it.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) signer: Signer,
    pub(super) shell: Socket,
    pub(super) iopub: Socket,
    pub(super) control: Socket,
}

/// What came of code, besides its output.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) error: Option<CodeError>,
    pub(super) execution_count: Option<u32>,
    pub(super) time: Duration,
    pub(super) stopped: Option<Stopped>,
    /// Whether the kernel lives on.
    pub(super) alive: bool,
}

/// Why code was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    TimedOut,
    Cancelled,
}

/// Where one request stands.
#[derive(Debug)]
struct Execution<'a> {
    id: String,
    output: &'a mut dyn Output,
    idle: bool,
    replied: bool,
    /// When something last came.
    heard: Instant,
    execution_count: Option<u32>,
    error: Option<CodeError>,
}

enum Heard {
    Message(io::Result<Message>),
    Nothing,
}

enum End {
    Done,
    Died,
}

impl Kernel {
    pub(super) fn new(process: Process, channels: Channels, interrupt_mode: InterruptMode, variables: u64, last_words: LastWords) -> Self {
        Self { process, channels, interrupt_mode, last_words, requests: 0, variables }
    }

    /// Runs code to its end. A silent one leaves no trace in the kernel's history.
    pub(super) async fn run(
        &mut self,
        code: &str,
        silent: bool,
        limit: Duration,
        cancel: &CancellationToken,
        output: &mut dyn Output,
    ) -> Ran {
        self.requests += 1;
        let started = Instant::now();
        let id = self.channels.signer.name(self.requests);
        let mut execution = Execution { id, output, idle: false, replied: false, heard: started, execution_count: None, error: None };
        let content = json!({
            "code": code, "silent": silent, "store_history": !silent, "user_expressions": {}, "allow_stdin": false, "stop_on_error": false,
        });
        let request = self.channels.signer.request(&execution.id, "execute_request", &content);
        drop(content);
        let (end, stopped) = tokio::select! {
            biased;
            () = cancel.cancelled() => (None, Some(Stopped::Cancelled)),
            () = sleep_until(started + limit) => (None, Some(Stopped::TimedOut)),
            end = self.converse(Some(request), &mut execution) => (Some(end), None),
        };
        let end = match end {
            Some(end) => Some(end),
            None => timeout(GRACE, async {
                self.interrupt().await;
                self.converse(None, &mut execution).await
            })
            .await
            .ok(),
        };
        let Execution { execution_count, mut error, .. } = execution;
        let alive = matches!(end, Some(End::Done));
        if !alive {
            if matches!(end, Some(End::Died)) {
                error = Some(self.obituary().await);
            }
            self.process.kill().await;
        }
        Ran { error, execution_count, time: started.elapsed(), stopped, alive }
    }

    /// Waits until the kernel dies; what it says meanwhile goes nowhere. May be dropped and called again.
    pub(super) async fn dies(&mut self) {
        let Self { process, channels, .. } = self;
        loop {
            let heard = tokio::select! {
                _ = process.exited() => return,
                message = channels.iopub.receive() => message,
                message = channels.shell.receive() => message,
                message = channels.control.receive() => message,
            };
            if heard.is_err() {
                // A kernel that hangs up is of no more use, whether or not its program still runs.
                process.kill().await;
                return;
            }
        }
    }

    /// Sends the request and listens until the code has ended. May be dropped and called again, then without request.
    async fn converse(&mut self, request: Option<Vec<bytes::Bytes>>, execution: &mut Execution<'_>) -> End {
        let Self { process, channels: Channels { signer, shell, iopub, control }, .. } = self;
        if let Some(request) = request
            && shell.feed(request).await.is_err()
        {
            return End::Died;
        }
        let mut sending = true;
        loop {
            if execution.idle && execution.replied {
                return End::Done;
            }
            let half = execution.idle || execution.replied;
            let heard = tokio::select! {
                message = iopub.receive() => Heard::Message(message),
                heard = async {
                    if sending { shell.flush().await.map_or_else(|error| Heard::Message(Err(error)), |()| Heard::Nothing) } else { Heard::Message(shell.receive().await) }
                } => {
                    sending = false;
                    heard
                }
                // Answers to interrupts; nobody asks for them.
                message = control.receive() => match message {
                    Ok(_) => Heard::Nothing,
                    Err(error) => Heard::Message(Err(error)),
                },
                _ = process.exited() => Heard::Message(Err(io::ErrorKind::BrokenPipe.into())),
                () = sleep_until(execution.heard + QUIET), if half => return End::Done,
            };
            match heard {
                Heard::Message(Ok(message)) => execution.take(signer.open(&message)),
                Heard::Nothing => {}
                Heard::Message(Err(_)) => {
                    while let Ok(Ok(message)) = timeout(LAST_OUTPUT, iopub.receive()).await {
                        execution.take(signer.open(&message));
                    }
                    return End::Died;
                }
            }
        }
    }

    async fn interrupt(&mut self) {
        match self.interrupt_mode {
            InterruptMode::Signal => self.process.signal(Signal::SIGINT),
            InterruptMode::Message => {
                self.requests += 1;
                let id = self.channels.signer.name(self.requests);
                let request = self.channels.signer.request(&id, "interrupt_request", &json!({}));
                // A broken connection is noticed by whoever listens next.
                let _ = self.channels.control.feed(request).await;
                let _ = self.channels.control.flush().await;
            }
        }
    }

    /// Why code has no end of its own.
    async fn obituary(&mut self) -> CodeError {
        let how = tokio::select! {
            code = self.process.exited() => match code {
                137 => "it was killed, as a sandbox's kernel does when memory is short".to_owned(),
                129.. => format!("signal {} ended it", code - 128),
                code => format!("it ended with exit code {code}"),
            },
            () = sleep(QUIET) => "it closed its connection".to_owned(),
        };
        let value = format!("the kernel died ({how}); its state is lost{}", self.last_words.describe());
        CodeError { name: "KernelDied".into(), value, traceback: String::new() }
    }
}

impl Execution<'_> {
    fn take(&mut self, incoming: Option<Incoming>) {
        // Output of code that ran earlier and left something in the background has no place to go.
        let Some(Incoming { body, .. }) = incoming.filter(|incoming| incoming.parent == self.id) else { return };
        self.heard = Instant::now();
        match body {
            Body::Status { idle } => self.idle |= idle,
            Body::Stream { stderr, text } => self.output.text(stderr, text),
            Body::Show { main, data, display_id } => {
                let result = self.fitting(data, main);
                self.output.result(result, display_id);
            }
            Body::Update { data, display_id } => {
                let result = self.fitting(data, false);
                self.output.update(result, &display_id);
            }
            Body::Error(error) => self.error = Some(error),
            Body::Executed { execution_count, error } => {
                self.replied = true;
                self.execution_count = execution_count;
                if self.error.is_none() {
                    self.error = error;
                }
            }
            Body::TooLong { stream: true, bytes } => self.output.cut(bytes),
            Body::TooLong { stream: false, bytes } => self.output.result(display::too_large(false, bytes), None),
            Body::Info | Body::Other => {}
        }
    }

    fn fitting(&self, data: Bundle, main: bool) -> protocol::tools::code::CodeResult {
        data.result(main, self.output.room())
    }
}
