//! Certificates without a hassle: the first start makes a certificate authority and a server certificate, later starts
//! keep them.
//!
//! The authority lives ten years and never changes by itself, because clients are told to trust it. The server's
//! certificate lives 397 days, the longest that browsers and Apple's platforms accept, and is made anew when less than
//! 30 days are left or the names change.

mod files;
mod issue;
mod renew;

pub(crate) use renew::Certificates;

use files::Files;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use types::Timestamp;

/// Less than this left: the server's certificate is made anew.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Life of a server certificate.
pub const SERVER_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
/// Life of the authority.
pub const AUTHORITY_LIFE: Duration = Duration::from_secs(3652 * 24 * 3600);

/// Who the server is to TLS clients.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The authority's certificate, the file that clients are told to trust.
    pub ca_pem: PathBuf,
    /// The names and addresses that the server's certificate covers, sorted.
    pub names: Vec<String>,
    /// When the server's certificate ends.
    pub not_after: Timestamp,
    certified: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// The server's certificate chain and key.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The authority's files do not belong together or cannot be understood. They are never replaced silently, because
    /// clients trust them.
    #[error(
        "{path} cannot be used ({reason}); put the right file back, or delete ca.pem and ca.key in that directory to get a new authority, which clients must then be told to trust"
    )]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no certificate can carry.
    #[error("{name:?} is neither a host name nor an IP address; check the configured names")]
    Name {
        /// The name.
        name: String,
    },
    /// Making keys or certificates failed.
    #[error("making a certificate")]
    Issue(#[source] rcgen::Error),
    /// The TLS library refused the key.
    #[error("loading the server's key")]
    Load(#[source] rustls::Error),
}

/// The identity in `dir`, made or renewed as needed, for `localhost`, the loopback addresses, this host's name and
/// `names`. `now` decides what is too old.
pub fn ensure(dir: &Path, names: &[String], now: Timestamp) -> Result<TlsIdentity, TlsError> {
    let wanted = all_names(names);
    let files = Files::open(dir)?;
    if let Some(identity) = current(&files, &wanted, now) {
        return Ok(identity);
    }
    let authority = issue::authority(&files, now)?;
    issue::server(&files, &authority, &wanted, now)?;
    let identity = load(&files)?;
    tracing::info!(names = ?identity.names, not_after = %identity.not_after, "made a server certificate");
    Ok(identity)
}

/// What lies there, if it can still be used: it names what is wanted, lives long enough, comes from the authority that
/// lies beside it, and its key fits.
fn current(files: &Files, wanted: &BTreeSet<String>, now: Timestamp) -> Option<TlsIdentity> {
    let identity = load(files).ok()?;
    let names_match = identity.names.iter().eq(wanted.iter());
    let lives_on = identity.not_after.duration_since(now) > jiff::SignedDuration::try_from(RENEW_BEFORE).ok()?;
    (names_match && lives_on && issue::is_issued_by_authority(files)).then_some(identity)
}

fn load(files: &Files) -> Result<TlsIdentity, TlsError> {
    let chain = files.read(Files::SERVER_CERT)?;
    let key = files.read(Files::SERVER_KEY)?;
    let unreadable = |_| TlsError::Load(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(unreadable)?;
    let certified = CertifiedKey::new(chain, any_supported_type(&key).map_err(TlsError::Load)?);
    certified.keys_match().map_err(TlsError::Load)?;
    let (names, not_after) = issue::names_and_end(certified.end_entity_cert().map_err(TlsError::Load)?)
        .ok_or(TlsError::Load(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding)))?;
    Ok(TlsIdentity { ca_pem: files.path(Files::CA_CERT), names, not_after, certified: Arc::new(certified) })
}

fn all_names(configured: &[String]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    // A host without a usable name is reached by the others.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names.extend(Some(host.trim().to_lowercase()).filter(|name| issue::is_name(name)));
    names.extend(configured.iter().map(|name| match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_lowercase(),
    }));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn after(days: i64) -> Timestamp {
        now() + jiff::SignedDuration::from_hours(24 * days)
    }

    fn read(dir: &Path, file: &str) -> Vec<u8> {
        std::fs::read(dir.join(file)).unwrap()
    }

    #[test]
    fn what_was_made_stays_until_it_must_change() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let names = ["roadstead.example".to_owned(), "10.0.0.7".to_owned()];
        let first = ensure(dir, &names, now()).unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "roadstead.example", "10.0.0.7"] {
            assert!(first.names.iter().any(|have| have == name), "{name} in {:?}", first.names);
        }
        let (ca, server) = (read(dir, "ca.pem"), read(dir, "server.pem"));

        ensure(dir, &names, after(300)).unwrap();
        assert_eq!(read(dir, "server.pem"), server, "97 days left: kept");

        let renewed = ensure(dir, &names, after(368)).unwrap();
        assert_ne!(read(dir, "server.pem"), server, "29 days left: renewed");
        assert!(renewed.not_after > first.not_after);

        let server = read(dir, "server.pem");
        ensure(dir, &[], after(368)).unwrap();
        assert_ne!(read(dir, "server.pem"), server, "other names: renewed");
        assert_eq!(read(dir, "ca.pem"), ca, "the authority stays through all of it");
    }

    #[test]
    fn keys_are_private_and_nothing_half_written_stays() {
        let scratch = tempfile::tempdir().unwrap();
        ensure(scratch.path(), &[], now()).unwrap();
        let mut found: Vec<_> = std::fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
            .collect();
        found.sort();
        let wanted = [("ca.key", 0o600), ("ca.pem", 0o644), ("server.key", 0o600), ("server.pem", 0o644)];
        assert_eq!(found, wanted.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn a_broken_server_pair_is_made_anew_and_a_broken_authority_is_an_error_with_a_remedy() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        ensure(dir, &[], now()).unwrap();
        std::fs::write(dir.join("server.key"), "garbage").unwrap();
        ensure(dir, &[], now()).unwrap();

        std::fs::remove_file(dir.join("server.pem")).unwrap();
        std::fs::remove_file(dir.join("ca.key")).unwrap();
        let error = ensure(dir, &[], now()).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("delete"), "{error}");

        std::fs::write(dir.join("ca.key"), "garbage").unwrap();
        assert!(matches!(ensure(dir, &[], now()), Err(TlsError::Authority { .. })));
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let error = ensure(scratch.path(), &["not a name".to_owned()], now()).unwrap_err();
        assert!(error.to_string().contains("not a name"), "{error}");
    }
}
