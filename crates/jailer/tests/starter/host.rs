//! A really started starter in directories of its own, and a client of its socket.

use jailer::fdpass;
use jailer::wire::{EgressOrder, Facts, Reply, Request};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use types::{SandboxId, SandboxLimits};

const STARTER: &str = env!("CARGO_BIN_EXE_roadstead-starter");

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What all tests of this run share: programs and images.
fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| build().expect("building the fixtures"))
}

/// Builds a static guest, an egress process, and a busybox image as a directory and as erofs.
fn build() -> std::io::Result<PathBuf> {
    // Made anew by each run and left for cargo to clean: statics are never dropped.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("starter-fixtures");
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&dir)?,
    }
    for name in ["guest", "egress"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.rs"));
        let out = dir.join(name);
        run(Command::new("rustc").args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-o"]).args([&out, &source]));
    }
    let images = dir.join("images");
    let rootfs = images.join("box/rootfs");
    fs::create_dir_all(rootfs.join("bin"))?;
    fs::create_dir_all(rootfs.join("root-only"))?;
    fs::copy("/usr/bin/busybox", rootfs.join("bin/busybox")).expect("these tests need the package busybox-static");
    run(Command::new("chroot").arg(&rootfs).args(["/bin/busybox", "--install", "-s", "/bin"]));
    fs::create_dir_all(images.join("packed"))?;
    run(Command::new("mkfs.erofs").arg(images.join("packed/base.erofs")).arg(&rootfs));
    let mut layers = vec![("box", r#"["rootfs"]"#, false), ("packed", r#"["base.erofs"]"#, false), ("nested", r#"["rootfs"]"#, true)];
    fs::create_dir_all(images.join("nested"))?;
    run(Command::new("cp").arg("-a").arg(&rootfs).arg(images.join("nested/")));
    fs::create_dir_all(images.join("layered/top/bin"))?;
    fs::write(images.join("layered/top/bin/marker"), "top")?;
    run(Command::new("cp").arg(images.join("packed/base.erofs")).arg(images.join("layered/")));
    layers.push(("layered", r#"["base.erofs","top"]"#, false));
    for (id, layers, nested) in layers {
        let arch = std::env::consts::ARCH;
        let manifest = format!(
            r#"{{"id":"{id}","os":"linux","arch":"{arch}","description":"a test","capabilities":["shell"],"layers":{layers},"nested_user_namespaces":{nested}}}"#
        );
        fs::write(images.join(id).join("manifest.json"), manifest)?;
    }
    Ok(dir)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A starter with directories of its own; ended and cleaned up when dropped.
pub(crate) struct Starter {
    pub(crate) instance: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) pid: i32,
}

impl Starter {
    /// Starts one; `extra` are further arguments.
    pub(crate) fn start(extra: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let instance = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new().prefix("jailer-test-").tempdir().unwrap();
        let mut starter = Self { instance, dir, pid: 0 };
        starter.start_again(extra);
        starter
    }

    /// Starts one in the same directories.
    pub(crate) fn start_again(&mut self, extra: &[&str]) {
        let output = self.launch(extra);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.pid = self.connect().hello();
    }

    /// Runs the launcher.
    pub(crate) fn launch(&self, extra: &[&str]) -> Output {
        let path = |name| self.dir.path().join(name);
        let mut command = Command::new(STARTER);
        command.args(["--instance", &self.instance, "--server-uid", "1000", "--dns", "127.0.0.1:53"]);
        command.arg("--guest").arg(shared().join("guest")).arg("--egress").arg(shared().join("egress"));
        command.arg("--images-dir").arg(shared().join("images"));
        command.arg("--state-dir").arg(path("state")).arg("--run-dir").arg(path("run"));
        command.args(extra).output().unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("run/starter.sock")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("state/starter.log")).unwrap_or_default()
    }

    /// A connection of ours (root's).
    pub(crate) fn connect(&self) -> Client {
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        connect(socket.as_raw_fd(), &UnixAddr::new(&self.socket()).unwrap()).unwrap();
        Client { socket }
    }

    /// A greeted connection.
    pub(crate) fn client(&self) -> Client {
        let mut client = self.connect();
        client.hello();
        client
    }

    /// Waits until the egress fixture has written down `order`.
    pub(crate) fn await_order(&self, order: &EgressOrder, times: usize) {
        let text = format!("egress order {}", serde_json::to_string(order).unwrap());
        eventually(&text, || self.log().matches(&text).count() == times);
    }

    /// Kills it without a chance to clean up.
    pub(crate) fn kill(&self) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        self.await_end();
    }

    pub(crate) fn await_end(&self) {
        eventually("the starter's end", || !is_running(self.pid));
    }

    /// Everything with this instance's name in a cgroup hierarchy.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
        hierarchies
            .chain([PathBuf::from("/sys/fs/cgroup")])
            .map(|path| path.join("roadstead").join(&self.instance))
            .filter(|path| path.exists())
            .collect()
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        if is_running(self.pid) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), nix::sys::signal::Signal::SIGTERM);
            let start = Instant::now();
            while is_running(self.pid) && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.instance, self.log());
        }
    }
}

/// A connection to a starter.
pub(crate) struct Client {
    socket: OwnedFd,
}

impl Client {
    pub(crate) fn ask(&mut self, request: &Request) -> (Reply, Option<OwnedFd>) {
        fdpass::send(self.socket.as_fd(), &serde_json::to_vec(request).unwrap(), &[]).unwrap();
        let mut message = Vec::new();
        let (length, mut fds) = fdpass::recv(self.socket.as_fd(), &mut message).unwrap();
        assert!(length > 0, "the starter closed the connection");
        (serde_json::from_slice(&message).unwrap(), fds.pop())
    }

    pub(crate) fn hello(&mut self) -> i32 {
        match self.ask(&Request::Hello { protocol: 1 }) {
            (Reply::Hello { pid, .. }, None) => pid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn try_create(&mut self, id: &str, image: &str, limits: SandboxLimits) -> Reply {
        let request = Request::Create { id: id.parse().unwrap(), image: image.parse().unwrap(), limits, output: Default::default() };
        self.ask(&request).0
    }

    pub(crate) fn create(&mut self, id: &str, image: &str) -> Facts {
        self.create_with(id, image, SandboxLimits::default())
    }

    pub(crate) fn create_with(&mut self, id: &str, image: &str, limits: SandboxLimits) -> Facts {
        match self.try_create(id, image, limits) {
            Reply::Created { facts } => facts,
            other => panic!("{other:?}"),
        }
    }

    /// Has the guest run a line and returns what it answered.
    pub(crate) fn run(&mut self, id: &SandboxId, line: &str) -> String {
        let (reply, fd) = self.ask(&Request::Connect { id: id.clone() });
        assert_eq!(reply, Reply::Connected);
        let mut stream = UnixStream::from(fd.unwrap());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    pub(crate) fn destroy(&mut self, id: &SandboxId) {
        assert_eq!(self.ask(&Request::Destroy { id: id.clone() }).0, Reply::Done);
    }

    pub(crate) fn list(&mut self) -> Vec<SandboxId> {
        match self.ask(&Request::List { after: None }).0 {
            Reply::List { sandboxes } => sandboxes.into_iter().map(|facts| facts.id).collect(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn is_running(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for something that another process does without telling us.
pub(crate) fn eventually(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One line of /proc/PID/status.
pub(crate) fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}
