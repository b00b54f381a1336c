//! How commands find their server: `server.json` in the data directory, and a key.

use crate::failure::Failure;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a running server listens; the server writes it when it is ready and removes it when it stops.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ServerFile {
    /// Names the starter's socket, among others.
    pub instance: String,
    /// The server's process.
    pub pid: u32,
    /// `host:port` for SDKs.
    pub endpoint: String,
    /// Base URL of the API.
    pub https: String,
    /// Base URL without TLS, on this machine only.
    pub http: Option<String>,
    /// Base URL of links into sessions.
    pub links: String,
    /// Our CA and the system's roots, PEM.
    pub ca_bundle: PathBuf,
}

impl ServerFile {
    const NAME: &str = "server.json";

    /// Reads it.
    pub fn read(data_dir: &Path) -> Result<Self, Failure> {
        let path = data_dir.join(Self::NAME);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::new(format!("no server runs with the data directory {}: start one with `make run` or `roadstead serve`", data_dir.display()))
            }
            _ => Failure::io(&path, "reading", &error),
        })?;
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("{} is damaged ({error}); start the server anew", path.display())))
    }

    /// Writes it whole or not at all.
    pub fn write(&self, data_dir: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::new(error.to_string()))?;
        crate::data_dir::write_private(&data_dir.join(Self::NAME), &text)
    }

    /// Removes it; a server that stops is no longer to be found.
    pub fn remove(data_dir: &Path) {
        let _ = fs::remove_file(data_dir.join(Self::NAME));
    }
}

/// The id of the server with this data directory: the first 12 hex digits of SHA-256 of its absolute path.
pub fn instance_id(data_dir: &Path) -> String {
    let path = data_dir.canonicalize().or_else(|_| std::path::absolute(data_dir)).unwrap_or_else(|_| data_dir.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    data_encoding::HEXLOWER.encode(&digest[..6])
}

/// Where that server's starter listens; `ROADSTEAD_STARTER_SOCKET` says another place.
pub fn starter_socket(instance: &str) -> PathBuf {
    std::env::var_os("ROADSTEAD_STARTER_SOCKET").map_or_else(|| format!("/run/roadstead/{instance}/starter.sock").into(), PathBuf::from)
}

/// The data directory when none is named: `/var/lib/roadstead/server` for root (whose server runs as `roadstead`),
/// else below the user's own data directory.
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/roadstead/server".into();
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    std::env::var_os("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), PathBuf::from).join("roadstead")
}

/// The API key's text: `AGENTBAY_API_KEY`, else the file `ROADSTEAD_KEY_FILE`, else `key` in the data directory, else
/// the copy that root keeps in its home.
pub fn api_key(data_dir: &Path) -> Result<String, Failure> {
    if let Some(key) = std::env::var("AGENTBAY_API_KEY").ok().filter(|key| !key.is_empty()) {
        return Ok(key);
    }
    let in_home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/roadstead").join(format!("{}.key", instance_id(data_dir))));
    let named = std::env::var_os("ROADSTEAD_KEY_FILE").map(PathBuf::from);
    let places: Vec<PathBuf> = named.into_iter().chain([data_dir.join("key")]).chain(in_home).collect();
    let found = places.iter().find_map(|path| fs::read_to_string(path).ok()).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    found.ok_or_else(|| {
        let places = places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        Failure::new(format!("no API key: AGENTBAY_API_KEY is not set and none of these files can be read: {places}; the server's first start makes one (`make run`)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_is_bound_to_the_path() {
        let dir = Path::new("/nonexistent/a");
        assert_eq!(instance_id(dir), instance_id(dir));
        assert_ne!(instance_id(dir), instance_id(Path::new("/nonexistent/b")));
        assert_eq!(instance_id(dir).len(), 12);
    }

    #[test]
    fn a_missing_server_is_told_with_the_remedy() {
        let message = ServerFile::read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(message.contains("make run"), "{message}");
    }
}
