//! From a tool's name and arguments to its result.

use crate::files::{self, Watches, as_user};
use crate::kernel::Kernels;
use crate::process::Processes;
use crate::shell::Shell;
use crate::streams::pty::Terminals;
use crate::streams::watch::MAX_WATCHES;
use protocol::tools::environment::{self, GetEnvArgs, GetEnvResult, SetEnvArgs, SetEnvResult};
use protocol::tools::{self, code, filesystem as fs, metrics, pty, shell};
use protocol::{CallMeta, MAX_PAYLOAD_BYTES, ToolError, ToolErrorCode, ToolOutcome, json_length};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use types::{Capability, OutputLimit};

/// All tools of this sandbox.
#[derive(Debug)]
pub struct Tools {
    capabilities: Vec<Capability>,
    pub(crate) processes: Arc<Processes>,
    pub(crate) kernels: Kernels,
    shell: Shell,
    watches: Watches,
    pub(crate) terminals: Terminals,
    /// Places for watch streams.
    pub(crate) watches_open: Semaphore,
}

impl Tools {
    /// The tools that an image with these capabilities has.
    pub fn new(capabilities: Vec<Capability>, processes: Arc<Processes>, output: OutputLimit) -> Self {
        let kernels = Kernels::new(processes.clone(), output);
        let shell = Shell::new(processes.clone(), output);
        let watches_open = Semaphore::new(MAX_WATCHES);
        Self { capabilities, kernels, shell, processes, watches: Watches::default(), terminals: Terminals::default(), watches_open }
    }

    /// Them, as they stand in the table.
    pub fn available(&self) -> impl Iterator<Item = &'static tools::ToolSpec> {
        tools::available(&self.capabilities)
    }

    /// Runs one call to its end.
    pub async fn run(&self, call: &CallMeta, name: &str, arguments: Value, cancel: CancellationToken) -> ToolOutcome {
        if !self.available().any(|tool| tool.name == name) {
            let names: Vec<_> = self.available().map(|tool| tool.name).collect();
            let name: String = name.chars().take(80).collect();
            let message = format!("there is no tool {name:?} in this image; there are: {}", names.join(", "));
            return Err(ToolError::new(ToolErrorCode::UnknownTool, message));
        }
        let value = self.dispatch(call, name, arguments, cancel).await?;
        let length = json_length(&value);
        if length > MAX_PAYLOAD_BYTES {
            let message =
                format!("the result takes {length} bytes as JSON, more than a message can carry; ask for less at once or for binary form");
            return Err(ToolError::new(ToolErrorCode::TooLarge, message));
        }
        Ok(value)
    }

    async fn dispatch(&self, call: &CallMeta, name: &str, arguments: Value, cancel: CancellationToken) -> ToolOutcome {
        let user = call.user;
        match name {
            shell::SHELL => {
                let args = parse(arguments)?;
                to_value(self.shell.run(call, args, &cancel).await?)
            }
            code::RUN_CODE => to_value(self.kernels.run(parse(arguments)?, cancel).await?),
            environment::SET_ENV => {
                let SetEnvArgs { envs } = parse(arguments)?;
                to_value(SetEnvResult { count: self.processes.variables.set(envs)? })
            }
            environment::GET_ENV => {
                let GetEnvArgs { keys } = parse(arguments)?;
                to_value(GetEnvResult { envs: self.processes.variables.seen_by(user, &keys) })
            }
            fs::READ_FILE => file(call, arguments, move |args| files::read_file(user, &args)).await,
            fs::READ_MULTIPLE_FILES => file(call, arguments, move |args| files::read_multiple_files(user, args)).await,
            fs::WRITE_FILE => file(call, arguments, move |args| files::write_file(user, args)).await,
            fs::EDIT_FILE => file(call, arguments, move |args| files::edit_file(user, &args)).await,
            fs::CREATE_DIRECTORY => file(call, arguments, move |args| done(files::create_directory(user, &args))).await,
            fs::DELETE_FILE => file(call, arguments, move |args| done(files::delete_file(user, &args, &cancel))).await,
            fs::GET_FILE_INFO => file(call, arguments, move |args| files::get_file_info(user, &args)).await,
            fs::LIST_DIRECTORY => file(call, arguments, move |args| files::list_directory(user, &args)).await,
            fs::MOVE_FILE => file(call, arguments, move |args| done(files::move_file(user, &args, &cancel))).await,
            fs::SEARCH_FILES => file(call, arguments, move |args| files::search_files(user, &args, &cancel)).await,
            fs::GET_FILE_CHANGE => {
                let watches = self.watches.clone();
                file(call, arguments, move |args| watches.get_file_change(user, &args, &cancel)).await
            }
            pty::PTY_LIST => {
                let metrics::NoArgs {} = parse(arguments)?;
                to_value(self.terminals.list())
            }
            pty::PTY_KILL => to_value(self.terminals.kill(&parse(arguments)?).await?),
            _ => Err(ToolError::new(ToolErrorCode::UnknownTool, format!("the tool {name:?} stands in the table but this guest lacks it"))),
        }
    }
}

/// A file tool: arguments, then work as the call's user.
async fn file<A, T>(call: &CallMeta, arguments: Value, work: impl FnOnce(A) -> Result<T, ToolError> + Send + 'static) -> ToolOutcome
where
    A: DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
{
    let args = parse(arguments)?;
    as_user(call.user, move || to_value(work(args)?)).await
}

/// The result of a tool that has nothing to tell but its success.
fn done(result: Result<(), ToolError>) -> Result<Value, ToolError> {
    result.map(|()| json!({}))
}

fn parse<A: DeserializeOwned>(arguments: Value) -> Result<A, ToolError> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let field = error.path().to_string();
        let place = if field == "." { "the arguments".to_owned() } else { format!("the argument `{field}`") };
        ToolError::invalid(format!("{place} cannot be used: {}", error.inner()))
    })
}

fn to_value(result: impl Serialize) -> ToolOutcome {
    serde_json::to_value(result)
        .map_err(|error| ToolError::new(ToolErrorCode::Internal, format!("the result cannot be written as JSON: {error}")))
}
