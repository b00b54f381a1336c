//! The four files of an identity. A write is seen whole or not at all.

use super::TlsError;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory they lie in.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

impl Files {
    pub(super) const CA_CERT: &str = "ca.pem";
    pub(super) const CA_KEY: &str = "ca.key";
    pub(super) const SERVER_CERT: &str = "server.pem";
    pub(super) const SERVER_KEY: &str = "server.key";

    /// Makes the directory if it is missing.
    pub(super) fn open(dir: &Path) -> Result<Self, TlsError> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(io("making the directory", dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, TlsError> {
        let path = self.path(name);
        fs::read(&path).map_err(io("reading", &path))
    }

    /// Writes a certificate, readable by all.
    pub(super) fn write_public(&self, name: &str, content: &str) -> Result<(), TlsError> {
        self.write(name, content, PUBLIC)
    }

    /// Writes a key, readable by the server's user alone.
    pub(super) fn write_private(&self, name: &str, content: &str) -> Result<(), TlsError> {
        self.write(name, content, PRIVATE)
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> Result<(), TlsError> {
        let path = self.path(name);
        let fresh = self.path(&format!(".{name}.new"));
        // A left-over of a crash may have another mode.
        let _ = fs::remove_file(&fresh);
        let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh).and_then(|mut file| {
            file.write_all(content.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&fresh, &path)).and_then(|()| fs::File::open(&self.dir)?.sync_all()).map_err(io("writing", &path))
    }
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::File { doing, path, source }
}
