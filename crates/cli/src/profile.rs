//! How commands find their server: `server.json` in the data directory, and a key.

use crate::failure::Failure;
use roadstead_sdk::AgentBay;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Reads an environment variable; tests give their own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Hex digits of an instance's id.
const INSTANCE_BYTES: usize = 6;
pub(crate) const SERVER_FILE: &str = "server.json";

/// Where a running server listens. The server writes it into its data directory when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ServerFile {
    /// See [`instance_id`].
    pub(crate) instance: String,
    /// The server's process.
    pub(crate) pid: u32,
    /// `host:port`, for SDKs.
    pub(crate) endpoint: String,
    /// Base URL of the API.
    pub(crate) https: String,
    /// Base URL without TLS, on loopback only.
    pub(crate) http: Option<String>,
    /// Base URL of links into sessions.
    pub(crate) links: String,
    /// PEM file with the server's CA and the system's roots.
    pub(crate) ca_bundle: PathBuf,
    /// The same certificates as a PKCS#12 trust store, for Java; older servers wrote none.
    #[serde(default)]
    pub(crate) trust_store: Option<PathBuf>,
}

/// A server as its clients on this machine see it.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) server: ServerFile,
    data_dir: PathBuf,
}

impl Profile {
    /// The server with this data directory, whether it runs or was killed.
    pub(crate) fn load(data_dir: &Path) -> Result<Self, Failure> {
        match Self::find(data_dir)? {
            Some(profile) => Ok(profile),
            None => Err(Failure::new(format!(
                "no server with data directory {} — start one with `make run` or `roadstead serve`, or name another with --data-dir",
                data_dir.display()
            ))),
        }
    }

    /// The same; `None` when no server has left its file there.
    pub(crate) fn find(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = data_dir.join(SERVER_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io("reading", &path, &error)),
        };
        let server = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{} is damaged ({error}) — start the server anew", path.display())))?;
        Ok(Some(Self { server, data_dir: data_dir.to_owned() }))
    }

    /// Whether its process is there; the file of a killed server stays.
    pub(crate) fn is_running(&self) -> bool {
        Path::new("/proc").join(self.server.pid.to_string()).exists()
    }

    /// A client of it.
    pub(crate) fn client(&self, environment: Environment<'_>) -> Result<AgentBay, Failure> {
        let key = self.key(environment)?;
        let builder = AgentBay::builder().api_key(key).endpoint(&self.server.https).ca_file(&self.server.ca_bundle);
        Ok(builder.build()?)
    }

    /// The key that commands use. `AGENTBAY_API_KEY` wins, unless `AGENTBAY_ENDPOINT` says that it is for another server.
    pub(crate) fn key(&self, environment: Environment<'_>) -> Result<String, Failure> {
        let for_us = set(environment, "AGENTBAY_ENDPOINT").is_none_or(|endpoint| self.is_endpoint(&endpoint));
        match set(environment, "AGENTBAY_API_KEY") {
            Some(key) if for_us => Ok(key),
            _ => self.key_from_files(environment),
        }
    }

    /// The key that the environment is set up with. Files win, because what stands in the environment may be from
    /// another server or from the hosted service.
    pub(crate) fn key_to_export(&self, environment: Environment<'_>) -> Result<String, Failure> {
        self.key_from_files(environment).or_else(|failure| set(environment, "AGENTBAY_API_KEY").ok_or(failure))
    }

    fn is_endpoint(&self, endpoint: &str) -> bool {
        let ours = [Some(&self.server.endpoint), Some(&self.server.https), self.server.http.as_ref()];
        ours.into_iter().flatten().any(|ours| ours.trim_end_matches('/') == endpoint.trim_end_matches('/'))
    }

    fn key_from_files(&self, environment: Environment<'_>) -> Result<String, Failure> {
        if let Some(named) = set(environment, "ROADSTEAD_KEY_FILE") {
            let path = Path::new(&named);
            return read_key(path)?
                .ok_or_else(|| Failure::new(format!("the key file {named}, named by ROADSTEAD_KEY_FILE, does not exist")));
        }
        let home = set(environment, "HOME")
            .map(|home| Path::new(&home).join(".local/share/roadstead").join(format!("{}.key", self.server.instance)));
        let places: Vec<PathBuf> = [self.data_dir.join("key")].into_iter().chain(home).collect();
        // One that this user may not read is as good as none: the server's own copy belongs to its user.
        if let Some(key) = places.iter().find_map(|path| read_key(path).ok().flatten()) {
            return Ok(key);
        }
        let tried: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
        Err(Failure::new(format!(
            "no API key in {} — ask the person who started the server for one (`roadstead key create`) and set AGENTBAY_API_KEY",
            tried.join(" or ")
        )))
    }
}

/// The id of the server with this data directory: it names the starter's socket and the key's file. Stable as long as
/// the directory stays where it is.
pub(crate) fn instance_id(data_dir: &Path) -> String {
    let path = data_dir.canonicalize().or_else(|_| std::path::absolute(data_dir)).unwrap_or_else(|_| data_dir.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    data_encoding::HEXLOWER.encode(&digest[..INSTANCE_BYTES])
}

/// Where that server's starter listens; `ROADSTEAD_STARTER_SOCKET` says another place.
pub(crate) fn starter_socket(instance: &str) -> PathBuf {
    std::env::var_os("ROADSTEAD_STARTER_SOCKET").map_or_else(|| format!("/run/roadstead/{instance}/starter.sock").into(), PathBuf::from)
}

/// The data directory when none is named.
pub(crate) fn default_data_dir(root: bool, environment: Environment<'_>) -> PathBuf {
    if root {
        return "/var/lib/roadstead/server".into();
    }
    let share = set(environment, "XDG_DATA_HOME").map(PathBuf::from);
    let share = share.or_else(|| set(environment, "HOME").map(|home| Path::new(&home).join(".local/share")));
    share.unwrap_or_else(|| ".".into()).join("roadstead")
}

/// A variable that is set to something.
pub(crate) fn set(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

fn read_key(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|key| !key.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("reading", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, variables};

    fn write_server(dir: &Path) {
        let server = serde_json::json!({"instance": "0123456789ab", "pid": 1, "endpoint": "localhost:8443", "https": "https://localhost:8443",
            "http": null, "links": "https://localhost:8444", "ca_bundle": dir.join("ca.pem")});
        std::fs::write(dir.join(SERVER_FILE), server.to_string()).unwrap();
    }

    #[test]
    fn an_instance_is_its_directory_however_it_is_spelled() {
        let dir = TempDir::new();
        let id = instance_id(dir.path());
        assert_eq!(id.len(), 12);
        assert_eq!(instance_id(&dir.path().join(".")), id);
        assert_ne!(instance_id(&dir.path().join("other")), id);
        assert_eq!(instance_id(Path::new("/")), "8a5edab28263", "the start of SHA-256 of `/`");
    }

    #[test]
    fn the_data_directory_follows_the_user() {
        let check = |root, pairs: &[(&str, &str)], path: &str| {
            assert_eq!(default_data_dir(root, &variables(pairs)), Path::new(path));
        };
        check(true, &[("HOME", "/root")], "/var/lib/roadstead/server");
        check(false, &[("HOME", "/home/a")], "/home/a/.local/share/roadstead");
        check(false, &[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")], "/data/roadstead");
    }

    #[test]
    fn keys_are_looked_for_in_order() {
        let dir = TempDir::new();
        write_server(dir.path());
        let profile = Profile::load(dir.path()).unwrap();
        let home = dir.path().join("home");
        let home_text = home.to_str().unwrap();
        let check = |pairs: &[(&str, &str)], key: &str| {
            let mut pairs = pairs.to_vec();
            pairs.push(("HOME", home_text));
            assert_eq!(profile.key(&variables(&pairs)).unwrap(), key, "{pairs:?}");
        };
        let missing = profile.key(&variables(&[("HOME", home_text)])).unwrap_err().to_string();
        assert!(missing.contains("AGENTBAY_API_KEY") && missing.contains("0123456789ab.key"), "{missing}");

        std::fs::create_dir_all(home.join(".local/share/roadstead")).unwrap();
        std::fs::write(home.join(".local/share/roadstead/0123456789ab.key"), "akm-home\n").unwrap();
        check(&[], "akm-home");
        std::fs::write(dir.path().join("key"), "akm-dir\n").unwrap();
        check(&[], "akm-dir");
        let named = dir.path().join("named");
        std::fs::write(&named, "akm-named").unwrap();
        check(&[("ROADSTEAD_KEY_FILE", named.to_str().unwrap())], "akm-named");
        check(&[("AGENTBAY_API_KEY", "akm-env")], "akm-env");
        check(&[("AGENTBAY_API_KEY", "akm-env"), ("AGENTBAY_ENDPOINT", "localhost:8443")], "akm-env");
        check(&[("AGENTBAY_API_KEY", "akm-env"), ("AGENTBAY_ENDPOINT", "localhost:9999")], "akm-dir");
        assert_eq!(profile.key_to_export(&variables(&[("AGENTBAY_API_KEY", "akm-hosted")])).unwrap(), "akm-dir");
        assert!(profile.key(&variables(&[("ROADSTEAD_KEY_FILE", "/no/such/key")])).is_err());
    }

    #[test]
    fn a_missing_and_a_damaged_server_file_are_told_with_the_remedy() {
        let dir = TempDir::new();
        assert!(Profile::load(dir.path()).unwrap_err().to_string().contains("make run"));
        std::fs::write(dir.path().join(SERVER_FILE), "{").unwrap();
        assert!(Profile::load(dir.path()).unwrap_err().to_string().contains("damaged"));
    }
}
