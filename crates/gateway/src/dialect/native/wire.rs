//! The JSON of the native API. Durations are whole seconds or milliseconds, as their names say; instants are RFC 3339.

pub(super) mod contexts;

use control::{KeyInfo, Lifetime, SessionView};
use protocol::tools::shell::{Cut, ShellResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use types::{ImageId, ImageManifest, SandboxUser};
use utoipa::ToSchema;

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorInfo,
}

/// One failure.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorInfo {
    /// The kind, for programs.
    pub(super) code: String,
    /// What, which object, and the remedy, for people.
    pub(super) message: String,
    /// What the server's log has about it.
    pub(super) request_id: String,
    /// Whether a tool inside the session failed: what was not found is then not the session. Absent: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) tool: bool,
}

/// That the server answers; nothing about it, because nobody has been checked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    pub(super) status: &'static str,
}

/// A session to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NewSession {
    /// From what; the server's default when absent.
    pub(super) image: Option<String>,
    /// Labels to find it by.
    pub(super) labels: BTreeMap<String, String>,
    /// Released after this long without activity; the server's default when absent.
    pub(super) idle_seconds: Option<u64>,
    /// Released this long after creation; the server's default when absent.
    pub(super) max_life_seconds: Option<u64>,
    /// Never released by itself; the two above must then be absent.
    pub(super) manual_release: bool,
}

impl NewSession {
    /// When it ends; an error text when the fields contradict each other.
    pub(super) fn lifetime(&self) -> Result<Lifetime, &'static str> {
        /// Ten years.
        const MOST: u64 = 10 * 365 * 24 * 3600;
        let span = |seconds: Option<u64>| match seconds {
            None => Ok(None),
            Some(seconds @ 1..=MOST) => Ok(Some(Duration::from_secs(seconds))),
            Some(_) => Err("idle_seconds and max_life_seconds must be 1 to 315360000"),
        };
        match (self.manual_release, span(self.idle_seconds)?, span(self.max_life_seconds)?) {
            (true, None, None) => Ok(Lifetime::Manual),
            (true, ..) => Err("manual_release excludes idle_seconds and max_life_seconds"),
            (false, None, None) => Ok(Lifetime::Default),
            (false, idle, max_life) => Ok(Lifetime::Limits { idle, max_life }),
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    pub(super) id: String,
    /// `creating`, `running`, `pausing`, `paused`, `resuming`, `deleting` or `finished`.
    pub(super) state: &'static str,
    pub(super) image: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created_at: String,
    pub(super) active_at: String,
    /// Absent: never released for being idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_seconds: Option<u64>,
    /// Absent: no fixed end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    pub(super) limits: SessionLimits,
    /// What it runs in; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sandbox: Option<Sandbox>,
}

/// What the kernel enforces.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionLimits {
    pub(super) memory_bytes: u64,
    /// Thousandths of a core.
    pub(super) cpu_millis: u32,
    pub(super) pids: u32,
    pub(super) open_files: u32,
}

/// A session's sandbox, for operators.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sandbox {
    pub(super) id: String,
    /// Its first process as the host sees it.
    pub(super) host_pid: i32,
    /// First host uid of its range.
    pub(super) uid_base: u32,
    /// The isolation it got.
    pub(super) layers: Vec<String>,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        let limits = view.limits;
        Self {
            id: view.id.to_string(),
            state: view.state.as_str(),
            image: view.image.to_string(),
            labels: view.labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            created_at: view.created_at.to_string(),
            active_at: view.active_at.to_string(),
            idle_seconds: view.idle_timeout.map(|idle| idle.as_secs()),
            expires_at: view.expires_at.map(|at| at.to_string()),
            limits: SessionLimits {
                memory_bytes: limits.memory_bytes,
                cpu_millis: limits.cpu_millis,
                pids: limits.pids,
                open_files: limits.open_files,
            },
            sandbox: view.sandbox.map(|facts| Sandbox {
                id: facts.id.to_string(),
                host_pid: facts.host_pid,
                uid_base: facts.uid_base,
                layers: facts.layers,
            }),
        }
    }
}

/// Which sessions to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// 1 to 100; 20 when absent.
    pub(super) limit: Option<u32>,
    /// `next_cursor` of an earlier page.
    pub(super) cursor: Option<String>,
    /// `key=value`; more than one separated by commas, all must match.
    pub(super) labels: Option<String>,
    /// Only this state.
    pub(super) state: Option<String>,
    /// Only this image.
    pub(super) image: Option<String>,
}

/// One page of sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    pub(super) sessions: Vec<Session>,
    /// How many match in all.
    pub(super) total: u64,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A command to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    /// Given to `sh -c`.
    pub(super) command: String,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[schema(value_type = String)]
    pub(super) user: SandboxUser,
    /// Working directory; the user's home when absent.
    #[serde(default)]
    pub(super) cwd: Option<String>,
    /// Variables added to the environment.
    #[serde(default)]
    pub(super) envs: BTreeMap<String, String>,
    /// Time limit; 60,000 when absent, at most 24 hours.
    #[serde(default)]
    pub(super) timeout_ms: Option<u64>,
}

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExecResult {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// 128 + signal number when a signal ended it, 124 when the time limit did.
    pub(super) exit_code: i32,
    pub(super) timed_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stdout_cut: Option<StreamCut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stderr_cut: Option<StreamCut>,
}

/// Where output was cut.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamCut {
    pub(super) kept_bytes: u64,
    pub(super) total_bytes: u64,
}

impl From<ShellResult> for ExecResult {
    fn from(result: ShellResult) -> Self {
        let cut = |cut: Cut| StreamCut { kept_bytes: cut.kept_bytes, total_bytes: cut.total_bytes };
        Self {
            stdout: result.stdout,
            stderr: result.stderr,
            exit_code: result.exit_code,
            timed_out: result.timed_out,
            stdout_cut: result.stdout_cut.map(cut),
            stderr_cut: result.stderr_cut.map(cut),
        }
    }
}

/// Which file, and which part of it.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileQuery {
    /// Absolute path.
    pub(super) path: String,
    /// `wuying` (default) or `root` of the sandbox.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub(super) user: SandboxUser,
    /// Reading: the first byte; 0 when absent.
    pub(super) offset: Option<u64>,
    /// Reading: how many bytes; to the end when absent.
    pub(super) length: Option<u64>,
    /// Writing: `overwrite` (default) or `append`.
    pub(super) mode: Option<String>,
    /// Writing: permission bits, octal; `0644` for a file that is made when absent.
    pub(super) permissions: Option<String>,
}

impl FileQuery {
    /// Refuses parameters that mean nothing here.
    pub(super) fn only(&self, doing: &str, allowed: &[&str]) -> Result<(), String> {
        let given = [
            ("offset", self.offset.is_some()),
            ("length", self.length.is_some()),
            ("mode", self.mode.is_some()),
            ("permissions", self.permissions.is_some()),
        ];
        match given.into_iter().find(|(name, given)| *given && !allowed.contains(name)) {
            Some((name, _)) => Err(format!("{name} means nothing when {doing}; it takes path, user, {}", allowed.join(", "))),
            None => Ok(()),
        }
    }

    /// The permission bits.
    pub(super) fn permissions(&self) -> Result<Option<u32>, String> {
        let Some(text) = &self.permissions else { return Ok(None) };
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777);
        bits.map(Some).ok_or_else(|| format!("permissions must be octal, such as 0644, got {text:?}"))
    }

    /// Whether to append.
    pub(super) fn append(&self) -> Result<bool, String> {
        match self.mode.as_deref() {
            None | Some("overwrite") => Ok(false),
            Some("append") => Ok(true),
            Some(other) => Err(format!("mode must be overwrite or append, got {other:?}")),
        }
    }
}

/// A file that was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Wrote {
    /// How many bytes came.
    pub(super) bytes: u64,
}

/// How a tool is called.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ToolQuery {
    /// `wuying` (default) or `root` of the sandbox.
    #[param(value_type = Option<String>)]
    pub(super) user: SandboxUser,
}

/// What a tool answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToolAnswer {
    /// As the tool says it.
    #[schema(value_type = Object)]
    pub(super) result: serde_json::Value,
}

/// The terminals of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PtyList {
    /// Oldest first.
    pub(super) ids: Vec<String>,
}

/// What a session uses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Metrics {
    /// CPUs it may use at once.
    pub(super) cpu_count: f64,
    /// Share of them used lately, percent.
    pub(super) cpu_used_pct: f64,
    /// Memory limit, bytes.
    pub(super) mem_total: u64,
    /// Memory in use, bytes.
    pub(super) mem_used: u64,
    /// Size of the file system under its disk, bytes.
    pub(super) disk_total: u64,
    /// Used of it, bytes.
    pub(super) disk_used: u64,
    /// Bytes received from outside since the start.
    pub(super) rx_bytes: u64,
    /// Bytes sent outside since the start.
    pub(super) tx_bytes: u64,
    /// Bytes received per second lately.
    pub(super) rx_bytes_per_s: f64,
    /// Bytes sent per second lately.
    pub(super) tx_bytes_per_s: f64,
}

impl From<protocol::tools::metrics::Metrics> for Metrics {
    fn from(found: protocol::tools::metrics::Metrics) -> Self {
        Self {
            cpu_count: found.cpu_count,
            cpu_used_pct: found.cpu_used_pct,
            mem_total: found.mem_total,
            mem_used: found.mem_used,
            disk_total: found.disk_total,
            disk_used: found.disk_used,
            rx_bytes: found.rx_bytes,
            tx_bytes: found.tx_bytes,
            rx_bytes_per_s: found.rx_bytes_per_s,
            tx_bytes_per_s: found.tx_bytes_per_s,
        }
    }
}

/// An image on this host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Image {
    pub(super) id: String,
    /// Further names that a session can be asked for by.
    pub(super) aliases: Vec<String>,
    pub(super) os: String,
    pub(super) arch: String,
    pub(super) description: String,
    /// Tool groups that work in it.
    #[schema(value_type = Vec<String>)]
    pub(super) capabilities: Vec<types::Capability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) built_at: Option<String>,
}

impl Image {
    pub(super) fn new(manifest: ImageManifest, aliases: &[ImageId]) -> Self {
        let ImageManifest { id, os, arch, description, capabilities, built_at, .. } = manifest;
        let aliases = aliases.iter().map(ImageId::to_string).collect();
        Self { id: id.to_string(), aliases, os, arch, description, capabilities, built_at }
    }
}

/// The images on this host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageList {
    pub(super) images: Vec<Image>,
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What to call it.
    pub(super) name: String,
    /// The tenant's name, made when there is none; the caller's when absent.
    #[serde(default)]
    pub(super) tenant: Option<String>,
    /// Whether it may manage keys and the server.
    #[serde(default)]
    pub(super) admin: bool,
}

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tenant_id: String,
    pub(super) tenant: String,
    pub(super) admin: bool,
    pub(super) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<String>,
}

impl From<KeyInfo> for Key {
    fn from(info: KeyInfo) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name,
            tenant_id: info.tenant.to_string(),
            tenant: info.tenant_name,
            admin: info.admin,
            created_at: info.created_at.to_string(),
            revoked_at: info.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A key just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    #[serde(flatten)]
    pub(super) key: Key,
    /// The secret text. It is shown this once.
    pub(super) text: String,
}

/// API keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyList {
    pub(super) keys: Vec<Key>,
}

/// What ending the server came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShutDown {
    /// Sessions that were ended.
    pub(super) sessions_ended: u64,
}
