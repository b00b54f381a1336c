//! Trust: the system's roots, or those a file names.

use crate::{Error, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;
use std::sync::Arc;

/// A rustls configuration that trusts `ca_file`, or without one what the system trusts. `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` stand in for the system's roots, as they do for most other clients.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig> {
    let certificates = match ca_file {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let mut roots = rustls::RootCertStore::empty();
    // System stores often hold a few certificates that rustls has no use for; one good root is enough.
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(Error::invalid(
            "no trusted root certificate was found: install `ca-certificates`, or let SSL_CERT_FILE name a PEM file with the CA",
        ));
    }
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn from_file(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error| Error::invalid(format!("the CA file {} cannot be read: {error}", path.display()));
    CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<std::result::Result<_, _>>().map_err(unreadable)
}

fn from_system() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.first() {
        Some(error) if found.certs.is_empty() => Err(Error::invalid(format!(
            "the trusted root certificates cannot be read: {error}; check SSL_CERT_FILE and SSL_CERT_DIR, or install `ca-certificates`"
        ))),
        _ => Ok(found.certs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_ca_file_is_named() {
        let missing = client_config(Some(Path::new("/no/such/ca.pem"))).unwrap_err().to_string();
        assert!(missing.contains("/no/such/ca.pem"), "{missing}");
        let empty = client_config(Some(Path::new("/dev/null"))).unwrap_err().to_string();
        assert!(empty.contains("SSL_CERT_FILE"), "{empty}");
    }
}
