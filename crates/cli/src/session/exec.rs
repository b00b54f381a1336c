//! `roadstead session exec`: a command with its output as it comes, and its exit code.

use super::terminal;
use super::{Who, exit_code, pair};
use crate::env::quote;
use crate::failure::Failure;
use crate::output;
use futures::StreamExt;
use roadstead_sdk::native::Exec;
use roadstead_sdk::{AgentBay, CommandEvent, CommandOutput, CommandStream, Cut};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Run a command in a session.
#[derive(Debug, clap::Args)]
pub(crate) struct ExecArgs {
    /// The session's id.
    id: String,
    /// Whom it acts as.
    #[arg(long, value_enum, default_value_t = Who::Wuying)]
    user: Who,
    /// Working directory [default: the user's home].
    #[arg(long, value_name = "DIRECTORY")]
    cwd: Option<String>,
    /// An environment variable; may be repeated.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    envs: Vec<(String, String)>,
    /// Kill it, and everything it started, after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Give it an empty standard input. Otherwise it gets this one, unless that is a terminal or --json is given.
    #[arg(short = 'n', long)]
    no_stdin: bool,
    /// The command. One word is a line for `sh -c`; several are a program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(client: &AgentBay, args: ExecArgs, json: bool) -> Result<ExitCode, Failure> {
    let mut exec = Exec::new(command_line(&args.command)).user(args.user.into()).timeout(Duration::from_secs(args.timeout));
    if let Some(directory) = args.cwd {
        exec = exec.cwd(directory);
    }
    exec = args.envs.into_iter().fold(exec, |exec, (name, value)| exec.env(name, value));
    if json {
        let done = client.native().exec(&args.id, &exec).await?;
        output::json(&as_json(&done))?;
        return Ok(ExitCode::from(exit_code(done.exit_code)));
    }
    let exec = exec.stdin(!args.no_stdin && !terminal::on_stdin());
    let (code, timed_out) = carry(client.native().exec_stream(&args.id, &exec).await?).await?;
    if timed_out {
        output::remark(format!(
            "the command did not end within {} s; it and everything it started were killed (see --timeout)",
            args.timeout
        ));
    }
    Ok(code)
}

/// Joins a command's streams with this program's until it ends; says how, and whether its time limit ended it.
pub(super) async fn carry(mut command: CommandStream) -> Result<(ExitCode, bool), Failure> {
    if let Some(mut stdin) = command.stdin() {
        let mut pieces = terminal::stdin();
        tokio::spawn(async move {
            // A command that takes no more input is none of our business.
            while let Some(piece) = pieces.recv().await {
                if stdin.write_all(&piece).await.is_err() {
                    return;
                }
            }
            let _ = stdin.shutdown().await;
        });
    }
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(event) = command.next().await {
        match event? {
            // Whoever closes our output wants no more of it; the command ends with us.
            CommandEvent::Stdout(bytes) if show(&mut out, &bytes).await.is_err() => return Ok((ExitCode::SUCCESS, false)),
            CommandEvent::Stderr(bytes) if show(&mut err, &bytes).await.is_err() => return Ok((ExitCode::SUCCESS, false)),
            CommandEvent::Exited { exit_code: code, timed_out } => return Ok((ExitCode::from(exit_code(code)), timed_out)),
            _ => {}
        }
    }
    Err(Failure::new("the server said nothing of the command's end"))
}

/// Writes without stopping the rest of the program: while a reader takes nothing, the server still hears that we live.
pub(super) async fn show(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// One word is a shell line; several are quoted so that the shell sees just these words.
pub(super) fn command_line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

fn as_json(done: &CommandOutput) -> Value {
    let cut = |cut: Option<Cut>| cut.map(|cut| json!({"kept_bytes": cut.kept_bytes, "total_bytes": cut.total_bytes}));
    json!({
        "stdout": done.stdout, "stderr": done.stderr, "exit_code": done.exit_code, "timed_out": done.timed_out,
        "stdout_cut": cut(done.stdout_cut), "stderr_cut": cut(done.stderr_cut),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_a_line_and_several_are_words() {
        let check = |words: &[&str], line: &str| {
            assert_eq!(command_line(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>()), line);
        };
        check(&["echo $HOME | wc -c"], "echo $HOME | wc -c");
        check(&["echo", "$HOME", "a b", ""], "echo '$HOME' 'a b' ''");
    }
}
