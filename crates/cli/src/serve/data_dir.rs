//! The server's files: one directory that one server holds at a time.
//!
//! | file | content |
//! |---|---|
//! | `lock` | held by the running server |
//! | `roadstead.db` | tenants, hashes of keys, sessions |
//! | `node` | this server's seat in the database |
//! | `secret` | signs links |
//! | `tls/` | our CA and server certificate |
//! | `ca-bundle.pem` | our CA and the system's roots, for clients |
//! | `key` | text of the first key, for `roadstead env` |
//! | `server.json` | where the running server listens |
//! | `logs/` | one JSON line per event |

use super::system::SystemEntropy;
use crate::failure::Failure;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use types::{Entropy, NodeId};

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory when it is missing and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| Failure::new(format!("the data directory {} cannot be made: {error}", path.display())))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|error| Failure::new(format!("{} cannot be opened: {error}", path.join("lock").display())))?;
        let mut lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            Failure::new(format!(
                "another server (pid {}) runs with the data directory {}; stop it, or choose another with --data-dir",
                pid.trim(),
                path.display()
            ))
        })?;
        lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(|error| Failure::io("writing", path, &error))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// A file of the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The secret that signs links; made on first use.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Failure> {
        let path = self.file("secret");
        if let Ok(bytes) = fs::read(&path) {
            return <[u8; 32]>::try_from(bytes.as_slice())
                .map_err(|_| Failure::new(format!("{} is damaged (it must hold 32 bytes); delete it to have a new one", path.display())));
        }
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret);
        write_private(&path, &secret)?;
        Ok(secret)
    }

    /// This server's seat in the database; made on first use.
    pub(crate) fn node(&self) -> Result<NodeId, Failure> {
        let path = self.file("node");
        if let Ok(text) = fs::read_to_string(&path) {
            return text.trim().parse().map_err(|error| Failure::new(format!("{} is damaged: {error}", path.display())));
        }
        let node = NodeId::generate(&SystemEntropy);
        write_private(&path, node.as_str().as_bytes())?;
        Ok(node)
    }
}

/// Writes a file that only its owner may read, so that it is there whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let fresh = path.with_extension("new");
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path));
    written.map_err(|error| Failure::io("writing", path, &error))
}
