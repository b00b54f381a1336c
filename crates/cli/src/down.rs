//! `roadstead down`: ends every session and the processes that hold them.

use crate::failure::Failure;
use crate::output;
use crate::profile::{Environment, Profile, SERVER_FILE, instance_id, starter_socket};
use roadstead_sdk::Error;
use runtime::{Runtime, native::Native};
use serde_json::json;
use std::path::Path;

pub(crate) async fn run(data_dir: &Path, json: bool, environment: Environment<'_>) -> Result<(), Failure> {
    let told = match Profile::find(data_dir)? {
        // The file of a killed server stays, and its port may be another server's by now.
        Some(profile) if profile.is_running() => tell_server(&profile, environment).await?,
        _ => None,
    };
    if let Some(ended) = told {
        return say(json, json!({"server": true, "ended": ended}), &format!("ended {ended} sessions and the server"));
    }
    let socket = starter_socket(&instance_id(data_dir));
    if !socket.exists() {
        return say(json, json!({"server": false, "starter": false}), &format!("nothing is running for {}", data_dir.display()));
    }
    end_starter(&socket).await?;
    // What a killed server left says where one listens; none does. If it may not be removed, `env` warns of it.
    let _ = std::fs::remove_file(data_dir.join(SERVER_FILE));
    say(json, json!({"server": false, "starter": true}), "no server was running; ended the sandboxes it had left and their starter")
}

/// How many sessions the server ended; `None` when none answers.
async fn tell_server(profile: &Profile, environment: Environment<'_>) -> Result<Option<u64>, Failure> {
    match profile.client(environment)?.native().shutdown().await {
        Ok(ended) => Ok(Some(ended)),
        Err(Error::Transport { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A server that was killed leaves its starter, and with it the sandboxes.
async fn end_starter(socket: &Path) -> Result<(), Failure> {
    let failed =
        |error| Failure::new(format!("ending the starter at {} failed: {error} — try as the server's user or as root", socket.display()));
    let native = Native::connect(socket).await.map_err(failed)?;
    native.shutdown().await.map_err(failed)
}

fn say(json: bool, value: serde_json::Value, text: &str) -> Result<(), Failure> {
    if json {
        return output::json(&value);
    }
    output::line(text);
    Ok(())
}
