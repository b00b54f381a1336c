//! `roadstead session`: sessions from the command line.

mod cp;
mod exec;
mod shell;
pub(crate) mod terminal;

use crate::failure::Failure;
use crate::output;
use roadstead_sdk::native::User;
use roadstead_sdk::{AgentBay, CreateSessionParams};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// List, create, delete and look at sessions, run commands in them, copy files.
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
    /// Show what a session uses: CPU, memory, disk, network.
    Metrics {
        /// Its id.
        id: String,
    },
    /// Run a command in a session, its output shown as it comes; its exit code is this one's.
    Exec(exec::ExecArgs),
    /// Open a terminal in a session.
    Shell(shell::ShellArgs),
    /// Copy files and directories into a session or out of it.
    Cp(cp::CpArgs),
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Who {
    /// The session's user.
    Wuying,
    /// The administrator inside the session.
    Root,
}

impl From<Who> for User {
    fn from(who: Who) -> Self {
        match who {
            Who::Wuying => Self::Wuying,
            Who::Root => Self::Root,
        }
    }
}

pub(crate) async fn run(command: SessionCommand, client: &AgentBay, json: bool) -> Result<ExitCode, Failure> {
    match command {
        SessionCommand::Ls { labels } => list(client, &labels, json).await?,
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
        SessionCommand::Metrics { id } => {
            let found = client.native().metrics(&id).await?;
            if json { output::json(&found)? } else { output::line(facts(&found)) }
        }
        SessionCommand::Exec(args) => return exec::run(client, args, json).await,
        SessionCommand::Shell(args) => return shell::run(client, args).await,
        SessionCommand::Cp(args) => cp::run(client, args, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &AgentBay, labels: &[(String, String)], json: bool) -> Result<(), Failure> {
    let sessions = client.native().sessions(labels).await?;
    if json {
        let shown = sessions.iter().map(
            |session| json!({"id": session.id, "status": session.state.to_uppercase(), "image": session.image, "labels": session.labels}),
        );
        return output::json(&shown.collect::<Vec<_>>());
    }
    let rows = sessions.into_iter().map(|session| {
        let labels: Vec<_> = session.labels.iter().map(|(key, value)| output::harmless(&format!("{key}={value}"))).collect();
        [session.id, session.state.to_uppercase(), session.image, labels.join(",")]
    });
    output::line(output::table(["ID", "STATUS", "IMAGE", "LABELS"], &rows.collect::<Vec<_>>()));
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

/// What does not fit into a process's exit code is still a failure.
fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
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
    fn an_exit_code_that_is_too_big_stays_a_failure() {
        assert_eq!([0, 3, 255, 256, -1].map(exit_code), [0, 3, 255, 255, 255]);
    }

    #[test]
    fn facts_are_lines() {
        let text = facts(&json!({"id": "session-1", "labels": {"a": "b"}, "idle": null}));
        assert!(text.contains("id      session-1") && text.contains(r#"labels  {"a":"b"}"#), "{text}");
    }
}
