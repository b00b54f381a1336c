//! `roadstead`: the server, and the commands that talk to it.

#![forbid(unsafe_code)]

mod completions;
mod context;
mod doctor;
mod down;
mod env;
mod failure;
mod image;
mod image_build;
mod init;
mod key;
mod logs;
mod output;
mod profile;
mod serve;
mod session;
#[cfg(test)]
mod testing;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use profile::Profile;
use std::path::PathBuf;
use std::process::ExitCode;

/// Isolated sessions for agents, on your own machine.
#[derive(Debug, Parser)]
#[command(name = "roadstead", version, arg_required_else_help = true)]
struct Cli {
    /// Directory of the server's database, keys, certificates and logs
    /// [default: /var/lib/roadstead/server for root, else ~/.local/share/roadstead].
    #[arg(long, global = true, env = "ROADSTEAD_DATA_DIR", value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Init(init::InitArgs),
    /// Print the id of this data directory's server.
    Instance,
    Doctor(doctor::DoctorArgs),
    /// End every session and the server.
    Down,
    Logs(logs::LogsArgs),
    Env(env::EnvArgs),
    #[command(subcommand)]
    Session(session::SessionCommand),
    #[command(subcommand)]
    Context(context::ContextCommand),
    #[command(subcommand)]
    Image(image::ImageCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Completions(completions::CompletionsArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            output::remark(failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let json = cli.json;
    let root = nix::unistd::geteuid().is_root();
    let data_dir = cli.data_dir.unwrap_or_else(|| profile::default_data_dir(root, &variable));
    match cli.command {
        Command::Serve(args) => serve::run(&args, &data_dir)?,
        Command::Init(args) => init::run(&args, &data_dir)?,
        Command::Doctor(_) => return wait_for(doctor::run(&data_dir, json)),
        Command::Image(image::ImageCommand::Build(args)) => return image_build::run(&args),
        Command::Logs(args) => logs::run(args, &data_dir, json)?,
        Command::Env(args) => env::run(args, &data_dir, json, &variable)?,
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Instance => {
            let id = profile::instance_id(&data_dir);
            if json { output::json(&serde_json::json!({"instance": id}))? } else { output::line(id) }
        }
        Command::Down => wait_for(down::run(&data_dir, json, &variable))?,
        Command::Session(command) => {
            let client = Profile::load(&data_dir)?.client(&variable)?;
            return wait_for(session::run(command, &client, json));
        }
        Command::Context(command) => {
            let client = Profile::load(&data_dir)?.client(&variable)?;
            wait_for(context::run(command, &client, json))?;
        }
        Command::Image(image::ImageCommand::Ls) => {
            let client = Profile::load(&data_dir)?.client(&variable)?;
            wait_for(image::list(&client, json))?;
        }
        Command::Key(command) => {
            let client = Profile::load(&data_dir)?.client(&variable)?;
            wait_for(key::run(command, &client, json))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs what asks the server to its end.
fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("starting the asynchronous runtime failed: {error}")))?.block_on(work)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_is_the_command() {
        let parse = |words: &[&str]| Cli::try_parse_from(std::iter::once("roadstead").chain(words.iter().copied()));
        assert!(parse(&["session", "exec", "session-1", "--user", "root", "--", "ls", "--json"]).is_ok_and(|cli| !cli.json));
        assert!(parse(&["env", "--", "python", "-c", "1"]).is_ok());
        for wrong in [
            &["session", "exec", "session-1"][..],
            &["session", "create", "--label", "x"],
            &["session", "create", "--idle", "0"],
            &["session", "rm"],
        ] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }
}
