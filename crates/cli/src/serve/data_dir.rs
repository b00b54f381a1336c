//! The server's files: one directory that one server holds at a time.
//!
//! | file | content |
//! |---|---|
//! | `lock` | held by the running server |
//! | `roadstead.db` | tenants, hashes of keys, sessions, contexts |
//! | `objects/` | files of contexts, unless they are kept elsewhere |
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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, &error))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|error| unusable(path, &error))?;
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
        if let Some(bytes) = read_if_there(&path)? {
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
        if let Some(bytes) = read_if_there(&path)? {
            return String::from_utf8_lossy(&bytes)
                .trim()
                .parse()
                .map_err(|error| Failure::new(format!("{} is damaged: {error}", path.display())));
        }
        let node = NodeId::generate(&SystemEntropy);
        write_private(&path, node.as_str().as_bytes())?;
        Ok(node)
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "the data directory {} cannot be used: {error}; it must belong to the user that runs the server, or choose another with --data-dir",
        path.display()
    ))
}

/// A file's content; `None` only when there is no such file. One that cannot be read is not made anew: the sessions of
/// an earlier start would be taken for a stranger's.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("reading", path, &error)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn what_cannot_be_read_is_never_made_anew() {
        let dir = TempDir::new();
        let data = DataDir::open(dir.path()).unwrap();
        let (node, secret) = (data.node().unwrap(), data.secret().unwrap());
        assert_eq!((data.node().unwrap(), data.secret().unwrap()), (node, secret), "kept");
        for name in ["node", "secret"] {
            // A directory in its place cannot be read, whoever asks.
            fs::remove_file(data.file(name)).unwrap();
            fs::create_dir(data.file(name)).unwrap();
            let failure = if name == "node" { data.node().unwrap_err() } else { data.secret().unwrap_err() };
            assert!(failure.to_string().contains("reading"), "{failure}");
        }
    }

    #[test]
    fn one_server_at_a_time() {
        let dir = TempDir::new();
        let first = DataDir::open(dir.path()).unwrap();
        let refusal = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()) && refusal.contains("--data-dir"), "{refusal}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_a_directory_is_named_with_what_to_do() {
        let dir = TempDir::new();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let refusal = DataDir::open(&file.join("data")).unwrap_err().to_string();
        assert!(refusal.contains("file/data") && refusal.contains("--data-dir"), "{refusal}");
    }
}
