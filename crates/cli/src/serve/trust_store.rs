//! The CA file once more, as the trust store that Java takes.

use crate::env::PASSWORD;
use crate::failure::Failure;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fs;
use std::path::{Path, PathBuf};

/// Rounds of key derivation. Few, because nothing in it is secret and every start of a JVM pays for them.
const ROUNDS: u32 = 1024;

/// Writes the certificates of `bundle` (PEM) as a PKCS#12 file and returns its path.
pub(super) fn write(bundle: &Path, store: &Path) -> Result<PathBuf, Failure> {
    let text = fs::read(bundle).map_err(|error| Failure::io("reading", bundle, &error))?;
    let mut keys = KeyStore::new();
    for (number, der) in CertificateDer::pem_slice_iter(&text).flatten().enumerate() {
        // What the library cannot read, no program would trust either.
        if let Ok(certificate) = Certificate::from_der(&der) {
            keys.add_entry(&format!("root-{number}"), KeyStoreEntry::Certificate(certificate));
        }
    }
    let content = keys.writer(PASSWORD).encryption_iterations(ROUNDS).mac_iterations(ROUNDS).write();
    let content = content.map_err(|error| Failure::new(format!("making the trust store {} failed: {error}", store.display())))?;
    let fresh = store.with_extension("new");
    fs::write(&fresh, content).and_then(|()| fs::rename(&fresh, store)).map_err(|error| Failure::io("writing", store, &error))?;
    Ok(store.to_owned())
}
