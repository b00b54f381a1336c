//! `roadstead session`: sessions from the command line.

use crate::env::quote;
use crate::failure::Failure;
use crate::output;
use futures::TryStreamExt;
use roadstead_sdk::native::{Exec, User};
use roadstead_sdk::{AgentBay, CommandOutput, CreateSessionParams, Cut, ListParams, SessionStatus};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Sessions fetched a request.
const PAGE: u32 = 100;

/// List, create, delete and look at sessions, and run commands in them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SessionCommand {
    /// List live sessions.
    Ls {
        /// Only sessions with this label; with several, all must match.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
        labels: Vec<(String, String)>,
    },
    /// Create a session and print its id.
    Create {
        /// Image to start from [default: the server's, linux_latest].
        #[arg(long)]
        image: Option<String>,
        /// A label; may be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
        labels: Vec<(String, String)>,
        /// Release it after this many seconds without a call [default: the server's].
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        idle: Option<u64>,
        /// Never release it by itself.
        #[arg(long, conflicts_with = "idle")]
        manual: bool,
    },
    /// Delete sessions and wait until nothing of them is left.
    Rm {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Show what the server knows of a session.
    Info {
        /// Its id.
        id: String,
    },
    /// Run a command in a session; its exit code is this one's.
    Exec(ExecArgs),
}

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
    /// The command. One word is a line for `sh -c`; several are a program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Who {
    /// The session's user.
    Wuying,
    /// The administrator inside the session.
    Root,
}

pub(crate) async fn run(command: SessionCommand, client: &AgentBay, json: bool) -> Result<ExitCode, Failure> {
    match command {
        SessionCommand::Ls { labels } => list(client, labels, json).await?,
        SessionCommand::Create { image, labels, idle, manual } => {
            let mut params = CreateSessionParams::new().labels(labels).manual_release(manual);
            if let Some(image) = image {
                params = params.image(image);
            }
            if let Some(seconds) = idle {
                params = params.idle_timeout(Duration::from_secs(seconds));
            }
            let session = client.create(params).await?;
            if json {
                output::json(&json!({"id": session.id(), "request_id": session.request_id}))?;
            } else {
                output::line(session.id());
            }
        }
        SessionCommand::Rm { ids } => return remove(client, &ids).await,
        SessionCommand::Info { id } => {
            let info = client.native().session(&id).await?;
            if json { output::json(&info)? } else { output::line(facts(&info)) }
        }
        SessionCommand::Exec(args) => return exec(client, args, json).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &AgentBay, labels: Vec<(String, String)>, json: bool) -> Result<(), Failure> {
    let params = labels.into_iter().fold(ListParams::new().limit(PAGE), |params, (key, value)| params.label(key, value));
    let sessions: Vec<_> = client.sessions(params).try_collect().await?;
    let rows = sessions.into_iter().map(|session| {
        let status = session.status.as_ref().map_or("", SessionStatus::as_str).to_owned();
        [session.session_id, status, session.image_id.unwrap_or_default()]
    });
    if json {
        return output::json(&rows.map(|[id, status, image]| json!({"id": id, "status": status, "image": image})).collect::<Vec<_>>());
    }
    output::line(output::table(["ID", "STATUS", "IMAGE"], &rows.collect::<Vec<_>>()));
    Ok(())
}

/// Deletes all that can be deleted, and fails when one could not.
async fn remove(client: &AgentBay, ids: &[String]) -> Result<ExitCode, Failure> {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        match client.attach(id)?.delete().await {
            Ok(_) => output::line(id),
            Err(error) => {
                output::remark(Failure::from(error).to_string());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn exec(client: &AgentBay, args: ExecArgs, json: bool) -> Result<ExitCode, Failure> {
    let user = match args.user {
        Who::Wuying => User::Wuying,
        Who::Root => User::Root,
    };
    let mut exec = Exec::new(command_line(&args.command)).user(user).timeout(Duration::from_secs(args.timeout));
    if let Some(directory) = args.cwd {
        exec = exec.cwd(directory);
    }
    exec = args.envs.into_iter().fold(exec, |exec, (name, value)| exec.env(name, value));
    let done = client.native().exec(&args.id, &exec).await?;
    if json {
        output::json(&as_json(&done))?;
    } else {
        output::bytes(&mut std::io::stdout(), done.stdout.as_bytes());
        output::bytes(&mut std::io::stderr(), done.stderr.as_bytes());
        for (name, cut) in [("standard output", done.stdout_cut), ("standard error", done.stderr_cut)] {
            if let Some(cut) = cut {
                output::remark(format!("{name} was cut: the first {} of {} bytes are shown", cut.kept_bytes, cut.total_bytes));
            }
        }
        if done.timed_out {
            output::remark(format!(
                "the command did not end within {} s; it and everything it started were killed (see --timeout)",
                args.timeout
            ));
        }
    }
    Ok(ExitCode::from(exit_code(done.exit_code)))
}

/// One word is a shell line; several are quoted so that the shell sees just these words.
fn command_line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

/// What does not fit into a process's exit code is still a failure.
fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn as_json(done: &CommandOutput) -> Value {
    let cut = |cut: Option<Cut>| cut.map(|cut| json!({"kept_bytes": cut.kept_bytes, "total_bytes": cut.total_bytes}));
    json!({
        "stdout": done.stdout, "stderr": done.stderr, "exit_code": done.exit_code, "timed_out": done.timed_out,
        "stdout_cut": cut(done.stdout_cut), "stderr_cut": cut(done.stderr_cut),
    })
}

/// The fields of an object, one a line; nested ones as JSON.
fn facts(info: &Value) -> String {
    let Some(fields) = info.as_object() else { return info.to_string() };
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    let show = |value: &Value| value.as_str().map_or_else(|| value.to_string(), output::harmless);
    fields.iter().map(|(name, value)| format!("{name:<width$}  {}", show(value))).collect::<Vec<_>>().join("\n")
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".into()),
    }
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

    #[test]
    fn an_exit_code_that_is_too_big_stays_a_failure() {
        assert_eq!([0, 3, 255, 256, -1].map(exit_code), [0, 3, 255, 255, 255]);
    }

    #[test]
    fn facts_are_lines() {
        let text = facts(&json!({"id": "session-1", "labels": {"a": "b"}, "idle": null}));
        assert!(text.contains("id      session-1") && text.contains(r#"labels  {"a":"b"}"#), "{text}");
    }
}
