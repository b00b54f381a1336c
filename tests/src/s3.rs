//! An S3 server, not ours, for servers that keep their objects in a bucket.

use crate::conformance::{place, run_tool};
use anyhow::{Context, Result};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The release, from crates.io: the newest that the workspace's Rust builds.
const RELEASE: &str = "0.13.0-alpha.3";
const BUCKET: &str = "roadstead";

/// `s3s-fs` on loopback with one empty bucket and credentials of its own.
#[derive(Debug)]
pub struct S3 {
    process: Child,
    port: u16,
    key: String,
    secret: String,
    dir: tempfile::TempDir,
}

impl S3 {
    /// Installs it into the target directory, unless it is there, and starts it.
    pub fn start() -> Result<Self> {
        let program = installed()?;
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join(BUCKET))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let unique = dir.path().file_name().context("no name")?.to_string_lossy().replace('.', "");
        let (key, secret) = (format!("key{unique}"), format!("secret-{unique}-{}", std::process::id()));
        let process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--access-key", &key, "--secret-key", &secret])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let s3 = Self { process, port, key, secret, dir };
        let answers = crate::wait_until(Duration::from_secs(20), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        anyhow::ensure!(answers, "the S3 server does not answer");
        Ok(s3)
    }

    /// Where a server keeps its objects in the bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What a server needs in its environment.
    pub fn env(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
        ]
    }

    /// The secret, to look for it where it must not be.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Where the S3 server itself keeps the objects, as files: the second path.
    pub fn bucket(&self) -> PathBuf {
        self.dir.path().join(BUCKET)
    }

    /// Stops it for a while.
    pub fn pause(&self) -> Result<()> {
        self.signal(nix::sys::signal::Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(nix::sys::signal::Signal::SIGCONT)
    }

    fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id())?);
        Ok(nix::sys::signal::kill(pid, signal)?)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn installed() -> Result<PathBuf> {
    let (dir, _lock) = place(&format!("s3s-fs-{RELEASE}"))?;
    let program = dir.join("bin/s3s-fs");
    if !program.exists() {
        install(&dir)?;
    }
    Ok(program)
}

fn install(dir: &Path) -> Result<()> {
    run_tool(
        Command::new("cargo")
            .args(["install", "s3s-fs", "--version", RELEASE, "--features", "binary", "--locked", "--quiet", "--root"])
            .arg(dir)
            .env("CARGO_TARGET_DIR", dir.join("build")),
    )?;
    Ok(std::fs::remove_dir_all(dir.join("build"))?)
}
