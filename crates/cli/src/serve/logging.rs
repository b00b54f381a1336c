//! The server's log: JSON lines in files that rotate daily, warnings also on the terminal.

use crate::failure::Failure;
use std::path::Path;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Days of log that are kept.
const KEPT_FILES: usize = 14;

/// Starts logging into `dir`; the guard flushes when it is dropped.
pub(crate) fn start(dir: &Path, filter: &str) -> Result<WorkerGuard, Failure> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| Failure::new(format!("--log {filter:?} is not a log filter: {error}; try `info`")))?;
    // The appender looks for old files before it makes its directory, and complains when there is none.
    std::fs::create_dir_all(dir).map_err(|error| Failure::io("making", dir, &error))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("server")
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(dir)
        .map_err(|error| Failure::new(format!("the log directory {} cannot be used: {error}", dir.display())))?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    let file = tracing_subscriber::fmt::layer().json().with_writer(writer).with_filter(filter);
    let terminal =
        tracing_subscriber::fmt::layer().with_target(false).without_time().with_writer(std::io::stderr).with_filter(LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(file)
        .with(terminal)
        .try_init()
        .map_err(|error| Failure::new(format!("logging cannot start: {error}")))?;
    Ok(guard)
}
