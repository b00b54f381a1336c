//! `roadstead doctor`: what this host gives, what is missing, what to do.

mod host;

use crate::failure::Failure;
use crate::output;
use crate::profile::{instance_id, starter_socket};
use runtime::Runtime;
use runtime::native::Native;
use std::path::Path;
use std::process::ExitCode;

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: &'static str,
    /// How it is.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) found: String,
    /// What to do; empty when nothing.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) remedy: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Works, with less comfort or strength.
    Warn,
    /// Does not work.
    Fail,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), remedy: String::new() }
    }

    fn warn(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: Level::Warn, found: found.into(), remedy: remedy.into() }
    }

    fn fail(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: Level::Fail, found: found.into(), remedy: remedy.into() }
    }
}

/// Check this host: what it gives, what is missing, what to do
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {}

/// Prints the findings; the exit code tells whether one of them is a failure.
pub(crate) async fn run(data_dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let mut findings = host::look();
    findings.extend(parts(data_dir).await);
    if json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            output::line(format!("{mark}  {:<16} {}", finding.check, finding.found));
            if !finding.remedy.is_empty() {
                output::line(format!("      {:<16} → {}", "", finding.remedy));
            }
        }
    }
    let failed = findings.iter().filter(|finding| finding.level == Level::Fail).count();
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Our own parts: starter, images, sandboxes.
async fn parts(data_dir: &Path) -> Vec<Finding> {
    let socket = starter_socket(&instance_id(data_dir));
    let native = match Native::connect(&socket).await {
        Ok(native) => native,
        Err(error) => return vec![Finding::fail("starter", error.to_string(), "run `make run`, which starts it")],
    };
    let mut findings = vec![Finding::ok("starter", format!("answers at {}", socket.display()))];
    findings.push(match native.images().await {
        Ok(images) if images.is_empty() => Finding::fail("images", "none", "build one: `roadstead image build linux_latest`"),
        Ok(images) => Finding::ok("images", images.iter().map(|image| image.id.to_string()).collect::<Vec<_>>().join(", ")),
        Err(error) => Finding::fail("images", error.to_string(), "look into the starter's log"),
    });
    findings.push(match native.list().await {
        Ok(list) => {
            let layers = list.first().map(|facts| format!("; layers: {}", facts.layers.join(", "))).unwrap_or_default();
            Finding::ok("sandboxes", format!("{} running{layers}", list.len()))
        }
        Err(error) => Finding::fail("sandboxes", error.to_string(), "look into the starter's log"),
    });
    findings
}
