//! The certificate that handshakes use, exchanged while the server runs.

use super::{TlsError, TlsIdentity, ensure};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use types::Timestamp;

/// Holds the certificate in use; a server that runs for more than a year renews it without a restart.
#[derive(Debug)]
pub(crate) struct Certificates {
    dir: PathBuf,
    names: Vec<String>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Makes or loads the identity in `dir`.
    pub(crate) fn open(dir: PathBuf, names: Vec<String>, now: Timestamp) -> Result<(Arc<Self>, TlsIdentity), TlsError> {
        let identity = ensure(&dir, &names, now)?;
        let current = RwLock::new(identity.certified_key());
        Ok((Arc::new(Self { dir, names, current }), identity))
    }

    /// Looks again and takes what is there now.
    pub(crate) fn refresh(&self, now: Timestamp) -> Result<(), TlsError> {
        let identity = ensure(&self.dir, &self.names, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = identity.certified_key();
        Ok(())
    }

    /// TLS 1.2 and 1.3, HTTP/1.1, no client certificates.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Load)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
