//! A guest process with its listening socket, a home, a cgroup, and a runtime that leads to it.

use async_trait::async_trait;
use protocol::{CallMeta, GuestBoot, StreamOpen, ToolOutcome};
use runtime::{ByteStream, Guest, Runtime, RuntimeError, SandboxFacts, SandboxSpec, open_on};
use serde_json::{Value, json};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use types::{Capability, ImageManifest, OutputLimit, SandboxId};

const CGROUPS: &str = "/sys/fs/cgroup/unified";

/// A guest that ends, with all it started, when dropped.
pub(crate) struct Host {
    pub(crate) guest: Guest,
    pub(crate) runtime: Arc<TestRuntime>,
    pub(crate) cgroup: Option<PathBuf>,
    directory: tempfile::TempDir,
    process: Child,
}

impl Host {
    /// `None` without root, because nothing here works then.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(Path::new(CGROUPS).join("cgroup.procs").exists())
    }

    pub(crate) fn start_with(cgroups: bool) -> Option<Self> {
        Self::start_in(cgroups, "")
    }

    /// One whose mount namespace is prepared further by a script.
    pub(crate) fn start_in(cgroups: bool, prepare: &str) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        if !nix::unistd::getuid().is_root() {
            eprintln!("not root: skipped");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let cgroup = cgroups.then(|| {
            let name = format!("roadstead-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = Path::new(CGROUPS).join(name);
            std::fs::create_dir(&path).unwrap();
            path
        });
        let socket = directory.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let boot = GuestBoot {
            generation: protocol::GENERATION,
            sandbox: "sb-test".parse().unwrap(),
            capabilities: vec![Capability::Shell, Capability::Filesystem, Capability::Code],
            output: OutputLimit::default(),
            cgroup_dir: cgroup.as_ref().map_or("/nowhere".into(), |path| path.to_str().unwrap().into()),
        };
        // A mount namespace of its own gives it homes without touching the machine's.
        let script = format!(
            "set -e; mount -t tmpfs none /home; mkdir /home/wuying; chown 1000:1000 /home/wuying; {prepare}
            exec \"$0\" \"$1\" 3<&0 </dev/null"
        );
        let process = Command::new("unshare")
            .args(["--mount", "--", "/bin/sh", "-c", &script, env!("CARGO_BIN_EXE_roadstead-guest")])
            .arg(serde_json::to_string(&boot).unwrap())
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let runtime = Arc::new(TestRuntime { socket, opened: AtomicUsize::new(0), shutters: Mutex::default() });
        let guest = Guest::new(runtime.clone(), boot.sandbox);
        Some(Self { guest, runtime, cgroup, directory, process })
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> ToolOutcome {
        self.guest.call_tool(&meta("wuying"), name, arguments).await.unwrap()
    }

    pub(crate) async fn call_as_root(&self, name: &str, arguments: Value) -> ToolOutcome {
        self.guest.call_tool(&meta("root"), name, arguments).await.unwrap()
    }

    pub(crate) async fn shell(&self, command: &str) -> Value {
        self.call("shell", json!({ "command": command })).await.unwrap()
    }

    /// A directory of the test's own.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The guest's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A field of the guest's `/proc/PID/status`, kB.
    pub(crate) fn memory_kb(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let Some(cgroup) = &self.cgroup else { return };
        let _ = std::fs::write(cgroup.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            for child in std::fs::read_dir(cgroup).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(child.path());
            }
            if std::fs::remove_dir(cgroup).is_ok() {
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// A fresh call as `user`.
pub(crate) fn meta(user: &str) -> CallMeta {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("call-test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    serde_json::from_value(json!({ "id": id, "user": user })).unwrap()
}

/// Leads to the one guest, counts connections and can cut them.
#[derive(Debug)]
pub(crate) struct TestRuntime {
    pub(crate) socket: PathBuf,
    pub(crate) opened: AtomicUsize,
    shutters: Mutex<Vec<std::os::unix::net::UnixStream>>,
}

impl TestRuntime {
    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        for stream in self.shutters.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

#[async_trait]
impl Runtime for TestRuntime {
    async fn images(&self) -> Result<Vec<ImageManifest>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn create(&self, spec: SandboxSpec) -> Result<SandboxFacts, RuntimeError> {
        Err(RuntimeError::NoSandbox(spec.id))
    }

    async fn destroy(&self, _: &SandboxId) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxFacts>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn open_stream(&self, id: &SandboxId, open: &StreamOpen) -> Result<ByteStream, RuntimeError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|source| RuntimeError::Io { id: id.clone(), doing: "connecting", source })?;
        let stream = stream.into_std().unwrap();
        self.shutters.lock().unwrap().push(stream.try_clone().unwrap());
        open_on(UnixStream::from_std(stream).unwrap(), id, open).await
    }

    async fn usage(&self, _: &SandboxId) -> Result<runtime::SandboxUsage, RuntimeError> {
        unreachable!()
    }
    async fn shutdown(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
}
