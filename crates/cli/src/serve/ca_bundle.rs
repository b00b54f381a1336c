//! The CA file that clients get: ours and the system's, so that a program's other HTTPS traffic still works.

use crate::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};

/// Where distributions keep their bundle.
const SYSTEM_BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Writes `bundle` from `ca` and the system's roots and returns its path.
pub(crate) fn write(ca: &Path, bundle: &Path) -> Result<PathBuf, Failure> {
    let mut text = fs::read_to_string(ca).map_err(|error| Failure::io("reading", ca, &error))?;
    if let Some(roots) = system_roots(bundle) {
        text.push('\n');
        text.push_str(&roots);
    }
    let fresh = bundle.with_extension("new");
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, bundle)).map_err(|error| Failure::io("writing", bundle, &error))?;
    Ok(bundle.to_owned())
}

/// The roots this machine trusts. `SSL_CERT_FILE` wins, unless it is a bundle that we wrote ourselves.
fn system_roots(ours: &Path) -> Option<String> {
    let chosen = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path != ours);
    chosen.into_iter().chain(SYSTEM_BUNDLES.map(PathBuf::from)).find_map(|path| fs::read_to_string(path).ok())
}
