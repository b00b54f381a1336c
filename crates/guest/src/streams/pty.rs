//! Terminals: making one, connecting to one, listing, killing.
//!
//! A terminal belongs to the guest and outlives its connections. Each connection is an [`Attachment`]; while there is
//! none, what the terminal shows is kept for the next one.

mod ring;
mod screen;
mod terminal;

use super::{FromHost, Hangup, Packets, ToHost, say};
use crate::process::Processes;
use crate::tools::Tools;
use futures::{SinkExt, StreamExt};
use protocol::packet::Packet;
use protocol::streams::{PtyInput, PtyOpen, PtyOutput, PtyTarget};
use protocol::tools::pty::{MAX_PTYS, PtyKillArgs, PtyKillResult, PtyListResult};
use protocol::{ToolError, ToolErrorCode};
use screen::{Attachment, Shown};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terminal::{Making, Terminal};

/// How long the program may take to read what a host typed that has gone.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);

/// All terminals of this sandbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terminals(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    made: u64,
    /// By number, hence oldest first. One that has ended stays until its exit has been told, or for a while.
    terminals: BTreeMap<u64, Arc<Terminal>>,
    /// How many are being made.
    making: usize,
}

impl Terminals {
    /// The ids of those whose programs run, oldest first.
    pub(crate) fn list(&self) -> PtyListResult {
        PtyListResult { ids: self.lock().running() }
    }

    /// Kills a terminal's program and everything it started, and waits until that is gone.
    ///
    /// # Errors
    /// There is no such terminal.
    pub(crate) async fn kill(&self, args: &PtyKillArgs) -> Result<PtyKillResult, ToolError> {
        self.find(&args.id)?.kill().await;
        Ok(PtyKillResult {})
    }

    fn find(&self, id: &str) -> Result<Arc<Terminal>, ToolError> {
        let table = self.lock();
        let found = table.terminals.values().find(|terminal| terminal.id == id);
        found.cloned().ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            let running = table.running();
            let there = if running.is_empty() { "there is none".to_owned() } else { format!("there are: {}", running.join(", ")) };
            ToolError::new(ToolErrorCode::NotFound, format!("there is no terminal {id:?}; {there}"))
        })
    }

    async fn make(&self, making: Making, processes: &Processes) -> Result<Arc<Terminal>, ToolError> {
        let place = self.place()?;
        let (terminal, exit) = terminal::make(place.number, making, processes).await?;
        let terminal = Arc::new(terminal);
        self.lock().terminals.insert(place.number, terminal.clone());
        let (terminals, number, shown) = (self.clone(), place.number, terminal.clone());
        tokio::spawn(async move {
            terminal::show(shown, exit).await;
            tokio::time::sleep(terminal::REMEMBERED_FOR).await;
            terminals.forget(number);
        });
        Ok(terminal)
    }

    /// Room for one more. One that has ended makes room.
    fn place(&self) -> Result<Place<'_>, ToolError> {
        let mut table = self.lock();
        if table.terminals.len() + table.making >= MAX_PTYS {
            let ended = table.terminals.iter().find(|(_, terminal)| !terminal.runs()).map(|(number, _)| *number);
            let Some(ended) = ended else {
                let message = format!("{MAX_PTYS} terminals are open in this session, which is the most; end one and try again");
                return Err(ToolError::new(ToolErrorCode::Busy, message));
            };
            table.terminals.remove(&ended);
        }
        table.making += 1;
        table.made += 1;
        Ok(Place { terminals: self, number: table.made })
    }

    fn forget(&self, number: u64) {
        self.lock().terminals.remove(&number);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn running(&self) -> Vec<String> {
        self.terminals.values().filter(|terminal| terminal.runs()).map(|terminal| terminal.id.clone()).collect()
    }
}

/// A place in the table for a terminal that is being made.
struct Place<'a> {
    terminals: &'a Terminals,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.terminals.lock().making -= 1;
    }
}

/// Serves one connection, until it or the terminal's program ends.
pub(super) async fn serve(packets: Packets, open: PtyOpen, tools: &Tools) {
    let Ok(hangup) = Hangup::of(packets.get_ref()) else { return };
    let (mut to_host, mut from_host) = packets.split();
    let terminals = &tools.terminals;
    let terminal = match open.target {
        PtyTarget::New { size, envs, cwd, shell } => {
            terminals.make(Making { user: open.user, size, envs, cwd, shell }, &tools.processes).await
        }
        PtyTarget::Existing { id } => terminals.find(&id),
    };
    let terminal = match terminal {
        Ok(terminal) => terminal,
        Err(error) => {
            let _ = say(&mut to_host, &PtyOutput::Failed { error }).await;
            return;
        }
    };
    let mut attachment = terminal.screen.attach();
    let listening = listen(&mut from_host, &terminal);
    tokio::pin!(listening);
    let has_gone = tokio::select! {
        told = show(&mut to_host, &terminal.id, &mut attachment) => {
            if told.is_ok() {
                terminals.forget(terminal.number);
            }
            told.is_err()
        }
        _ = &mut listening => false,
        () = hangup.seen() => true,
    };
    drop(attachment);
    if has_gone {
        // What was typed before counts, unless the program does not take it.
        let _ = tokio::time::timeout(LAST_WORDS_WITHIN, listening).await;
    }
}

/// Shows all there is to see, at last the exit.
async fn show(host: &mut ToHost, id: &str, attachment: &mut Attachment<'_>) -> io::Result<()> {
    say(host, &PtyOutput::Opened { id: id.to_owned() }).await?;
    loop {
        match attachment.next().await {
            Shown::Bytes(bytes) => host.send(Packet::Data(bytes)).await?,
            Shown::Exited(exit_code) => return say(host, &PtyOutput::Exited { exit_code }).await,
        }
    }
}

/// Types what the host types, until it goes or talks nonsense.
async fn listen(host: &mut FromHost, terminal: &Terminal) -> io::Result<()> {
    while let Some(packet) = host.next().await {
        match packet? {
            Packet::Data(bytes) => terminal.type_in(&bytes).await,
            message => match message.parse()? {
                // One out of range is not answered: there is no message for it, and the terminal goes on.
                PtyInput::Resize { size } => drop(terminal.resize(size)),
            },
        }
    }
    Ok(())
}
