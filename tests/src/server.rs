//! A server for one test.

use crate::{Bins, Starter};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The uid that servers get when root runs the tests: no account needs to exist for it.
const TEST_UID: u32 = 61_184;

/// How a test wants its server.
#[derive(Debug, Default, Clone)]
pub struct ServerBuilder {
    starter_args: Vec<String>,
    serve_args: Vec<String>,
    serve_env: Vec<(String, String)>,
}

/// A running server with a starter of its own.
#[derive(Debug)]
pub struct Server {
    // Declared in the order of their end: the server first, its files last.
    process: Child,
    starter: Starter,
    builder: ServerBuilder,
    bins: Bins,
    uid: u32,
    dir: tempfile::TempDir,
}

impl ServerBuilder {
    /// Adds an argument for the starter.
    #[must_use]
    pub fn starter_arg(mut self, arg: impl Into<String>) -> Self {
        self.starter_args.push(arg.into());
        self
    }

    /// Adds an argument for `roadstead serve`.
    #[must_use]
    pub fn serve_arg(mut self, arg: impl Into<String>) -> Self {
        self.serve_args.push(arg.into());
        self
    }

    /// Adds a variable for `roadstead serve`.
    #[must_use]
    pub fn serve_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.serve_env.push((name.into(), value.into()));
        self
    }

    /// Starts both and waits until the server says that it is ready.
    pub fn start(self) -> Result<Server> {
        let Stage { bins, uid, starter, data, dir } = Stage::set(&self.starter_args)?;
        let process = launch(&bins, &data, &starter.socket(), uid, &self)?;
        Ok(Server { process, starter, builder: self, bins, uid, dir })
    }

    /// Starts a server that is expected not to become ready; returns what it said. `args` override the defaults.
    pub fn start_expecting_failure(mut self, args: &[&str]) -> Result<String> {
        self.serve_args.extend(args.iter().map(|arg| (*arg).to_owned()));
        // The directory first, so that it goes last: the starter's lock lies in it.
        let Stage { dir: _dir, bins, uid, starter, data } = Stage::set(&self.starter_args)?;
        let output = serve_command(&bins, &data, &starter.socket(), uid, &self).stderr(Stdio::piped()).output()?;
        ensure!(!output.status.success(), "the server started all the same");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Server {
    /// A server with default settings on free ports.
    pub fn start() -> Result<Self> {
        ServerBuilder::default().start()
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).expect("pids are small")
    }

    /// Its starter.
    pub fn starter(&self) -> &Starter {
        &self.starter
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Kills it as a crash would and starts it again on the same data.
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.relaunch()
    }

    /// Sends a signal and waits for its end; returns the exit code.
    pub fn signal_and_wait(&mut self, signal: nix::sys::signal::Signal) -> Result<Option<i32>> {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal)?;
        Ok(self.process.wait()?.code())
    }

    /// Starts it again on the same data.
    pub fn relaunch(&mut self) -> Result<()> {
        self.process = launch(&self.bins, &self.data_dir(), &self.starter.socket(), self.uid, &self.builder)?;
        Ok(())
    }

    /// What `server.json` says.
    pub fn facts(&self) -> Result<serde_json::Value> {
        let path = self.data_dir().join("server.json");
        Ok(serde_json::from_slice(&std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?)?)
    }

    /// One text of `server.json`.
    pub fn fact(&self, name: &str) -> Result<String> {
        Ok(self.facts()?[name].as_str().with_context(|| format!("server.json has no {name}"))?.to_owned())
    }

    /// The first key's text.
    pub fn key(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data_dir().join("key"))?.trim().to_owned())
    }

    /// The environment that `roadstead env` prints.
    pub fn sdk_env(&self) -> Result<BTreeMap<String, String>> {
        let output = self.cli(&["env", "--json"])?;
        ensure!(output.status.success(), "roadstead env failed: {}", String::from_utf8_lossy(&output.stderr));
        let values: BTreeMap<String, Option<String>> = serde_json::from_slice(&output.stdout)?;
        Ok(values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Runs the CLI against this server.
    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(&self.bins.roadstead).args(args).output()?)
    }

    /// The CLI's standard output; fails when it fails.
    pub fn cli_ok(&self, args: &[&str]) -> Result<String> {
        let output = self.cli(args)?;
        if !output.status.success() {
            bail!("roadstead {args:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A program with this server's data directory in its environment and no other Roadstead setting.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        clean(&mut command).env("ROADSTEAD_DATA_DIR", self.data_dir()).env("ROADSTEAD_STARTER_SOCKET", self.starter.socket());
        command
    }

    /// The official SDK's way in: a program with the SDK environment.
    pub fn sdk_command(&self, program: &Path) -> Result<Command> {
        let mut command = self.command(program);
        command.envs(self.sdk_env()?);
        Ok(command)
    }

    /// An HTTP client that trusts this server.
    pub fn http(&self) -> Result<reqwest::Client> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = std::fs::read(self.data_dir().join("tls/ca.pem"))?;
        Ok(reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&ca)?]).no_proxy().build()?)
    }

    /// The Rust SDK's client for this server.
    pub fn agentbay(&self) -> Result<roadstead_sdk::AgentBay> {
        let ca = self.data_dir().join("tls/ca.pem");
        Ok(roadstead_sdk::AgentBay::builder().api_key(self.key()?).endpoint(self.fact("endpoint")?).ca_file(ca).build()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            // What went wrong is in there; the directory goes in a moment.
            if let Ok(output) = self.cli(&["logs", "-n", "60"]) {
                eprintln!("--- last lines of the server's log\n{}", String::from_utf8_lossy(&output.stdout));
            }
        }
    }
}

/// What a server needs before it starts.
struct Stage {
    bins: Bins,
    uid: u32,
    starter: Starter,
    data: PathBuf,
    dir: tempfile::TempDir,
}

impl Stage {
    fn set(starter_args: &[String]) -> Result<Self> {
        let bins = Bins::find()?;
        let dir = tempfile::Builder::new().prefix("roadstead-test-").tempdir_in("/tmp")?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        let euid = nix::unistd::geteuid();
        let uid = if euid.is_root() { TEST_UID } else { euid.as_raw() };
        let data = make_data_dir(dir.path(), uid)?;
        let starter = Starter::start(&bins, &dir.path().join("starter"), &instance_name(), uid, starter_args)?;
        Ok(Self { bins, uid, starter, data, dir })
    }
}

fn instance_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn make_data_dir(parent: &Path, uid: u32) -> Result<PathBuf> {
    let data = parent.join("data");
    std::fs::create_dir(&data)?;
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&data, Some(uid), Some(uid))?;
    }
    Ok(data)
}

fn serve_command(bins: &Bins, data: &Path, socket: &Path, uid: u32, builder: &ServerBuilder) -> Command {
    let args = &builder.serve_args;
    let mut command = Command::new(&bins.roadstead);
    clean(&mut command).arg("--data-dir").arg(data).arg("serve").arg("--starter-socket").arg(socket);
    for (option, address) in [("--listen", "127.0.0.1:0"), ("--http-listen", "127.0.0.1:0"), ("--links-listen", "127.0.0.1:0")] {
        if !args.iter().any(|arg| arg == option) {
            command.args([option, address]);
        }
    }
    command.args(args).envs(builder.serve_env.iter().cloned()).stdin(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        command.uid(uid).gid(uid);
    }
    command
}

fn launch(bins: &Bins, data: &Path, socket: &Path, uid: u32, builder: &ServerBuilder) -> Result<Child> {
    let mut child = serve_command(bins, data, socket, uid, builder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("starting the server")?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for line in lines.by_ref() {
        if line?.starts_with("Roadstead is ready") {
            // Keep reading, or a full pipe would block the server.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(child);
        }
    }
    bail!("the server ended before it was ready: {}", child.wait()?)
}

/// Nothing of the caller's own settings may leak into a test.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().into_owned();
        if text.starts_with("ROADSTEAD_")
            || text.starts_with("AGENTBAY_")
            || text.starts_with("AGB_")
            || text.starts_with("AWS_")
            || text.to_lowercase().ends_with("_proxy")
        {
            command.env_remove(&name);
        }
    }
    command
}
