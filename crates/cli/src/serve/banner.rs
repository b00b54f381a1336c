//! What the server tells the person in front of it.

use crate::output::line as note;
use crate::profile::ServerFile;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The server answers.
pub(crate) fn ready(server: &ServerFile, data_dir: &Path, took: Duration) {
    // Whoever starts the server under another user keeps the key and says where.
    let key = std::env::var_os("ROADSTEAD_KEY_FILE").map_or_else(|| data_dir.join("key"), PathBuf::from);
    note(format!("Roadstead is ready ({:.1} s).", took.as_secs_f64()));
    note(format!("  endpoint   {}", server.https));
    if let Some(http) = &server.http {
        note(format!("  plain HTTP {http} (this machine only)"));
    }
    note(format!("  links      {}", server.links));
    if key.exists() || !key.starts_with(data_dir) {
        note(format!("  API key    in {} (`roadstead env` reads it)", key.display()));
    }
    note(format!("  log        {}", data_dir.join("logs").display()));
    note("Try it in another terminal:");
    note("  eval \"$(roadstead env)\"            # endpoint, key and CA for every SDK");
    note("  ID=$(roadstead session create)      # an isolated Linux");
    note("  roadstead session exec $ID -- 'echo hello from $(hostname)'");
    note("Ctrl-C stops the server and leaves sessions running; `roadstead down` ends everything.");
}

/// A signal came.
pub(crate) fn stopping() {
    note("Stopping: no new requests, running ones may end. Ctrl-C again stops at once.");
}

/// The server has stopped.
pub(crate) fn stopped(data_dir: &Path, unfinished: usize) {
    if unfinished > 0 {
        note(format!("{unfinished} request(s) had not ended in time; their work goes on inside the sessions."));
    }
    note(format!("Stopped. Sessions go on; the next start with {} finds them. `roadstead down` ends them.", data_dir.display()));
}
