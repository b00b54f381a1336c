//! Making and reading certificates.

use super::files::Files;
use super::{AUTHORITY_LIFE, SERVER_LIFE, TlsError};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use types::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates start a day early, so that a client whose clock lags does not refuse a fresh one.
const CLOCK_LAG: Duration = Duration::from_secs(24 * 3600);

/// The authority that lies in `files`; made when there is none at all.
pub(super) fn authority(files: &Files, now: Timestamp) -> Result<Issuer<'static, KeyPair>, TlsError> {
    if !files.exists(Files::CA_CERT) && !files.exists(Files::CA_KEY) {
        make_authority(files, now)?;
    }
    let broken = |name: &str, reason: String| TlsError::Authority { path: files.path(name), reason };
    let read = |name: &str| {
        let bytes = files.read(name).map_err(|error| broken(name, reason(&error)))?;
        String::from_utf8(bytes).map_err(|_| broken(name, "it is not PEM text".into()))
    };
    let certificate = read(Files::CA_CERT)?;
    let key = KeyPair::from_pem(&read(Files::CA_KEY)?).map_err(|error| broken(Files::CA_KEY, error.to_string()))?;
    let fits = public_key(certificate.as_bytes()).is_some_and(|public| public == rcgen::PublicKeyData::subject_public_key_info(&key));
    if !fits {
        return Err(broken(Files::CA_KEY, "it is not the key of ca.pem".into()));
    }
    Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| broken(Files::CA_CERT, error.to_string()))
}

/// Makes the server's key and certificate and writes both.
pub(super) fn server(files: &Files, authority: &Issuer<'_, KeyPair>, names: &BTreeSet<String>, now: Timestamp) -> Result<(), TlsError> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.iter().map(|name| alt_name(name)).collect::<Result<_, _>>()?;
    params.distinguished_name = named("Roadstead server");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, SERVER_LIFE);
    let key = KeyPair::generate().map_err(TlsError::Issue)?;
    let certificate = params.signed_by(&key, authority).map_err(TlsError::Issue)?;
    files.write_private(Files::SERVER_KEY, &key.serialize_pem())?;
    files.write_public(Files::SERVER_CERT, &certificate.pem())
}

/// Names and end of a server certificate.
pub(super) fn names_and_end(certificate: &[u8]) -> Option<(Vec<String>, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??.value.general_names.iter();
    let mut names: Vec<String> = names.filter_map(written).collect();
    names.sort_unstable();
    let end = Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?;
    Some((names, end))
}

/// Whether the server's certificate names the authority's key that lies beside it.
pub(super) fn is_issued_by_authority(files: &Files) -> bool {
    let (Ok(ca), Ok(server)) = (files.read(Files::CA_CERT), files.read(Files::SERVER_CERT)) else { return false };
    let (Some(ca), Some(server)) = (der(&ca), der(&server)) else { return false };
    let (Ok((_, ca)), Ok((_, server))) = (X509Certificate::from_der(&ca), X509Certificate::from_der(&server)) else { return false };
    let key_id = |extension: &x509_parser::extensions::ParsedExtension<'_>| match extension {
        x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    };
    let of = |certificate: &X509Certificate<'_>| {
        certificate.extensions().iter().map(|extension| key_id(extension.parsed_extension())).collect::<Vec<_>>()
    };
    let own: Vec<_> = of(&ca).into_iter().flatten().collect();
    of(&server).into_iter().flatten().any(|id| own.contains(&id))
}

/// Whether a certificate can carry `name` as a host name.
pub(super) fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253 && name.split('.').all(label)
}

fn make_authority(files: &Files, now: Timestamp) -> Result<(), TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Roadstead local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, AUTHORITY_LIFE);
    let key = KeyPair::generate().map_err(TlsError::Issue)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Issue)?;
    // The key first: a crash in between leaves a key without a certificate, which is told, never a certificate that
    // clients trust and nobody can use.
    files.write_private(Files::CA_KEY, &key.serialize_pem())?;
    files.write_public(Files::CA_CERT, &certificate.pem())?;
    tracing::info!(path = %files.path(Files::CA_CERT).display(), "made a certificate authority");
    Ok(())
}

fn alt_name(name: &str) -> Result<SanType, TlsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || TlsError::Name { name: name.to_owned() };
    if !is_name(name) {
        return Err(refused());
    }
    Ok(SanType::DnsName(name.to_owned().try_into().map_err(|_| refused())?))
}

fn written(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    params.not_before = epoch + Duration::from_secs(seconds).saturating_sub(CLOCK_LAG);
    params.not_after = params.not_before + life;
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name.push(DnType::OrganizationName, "Roadstead");
    name
}

fn der(pem: &[u8]) -> Option<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    Some(CertificateDer::from_pem_slice(pem).ok()?.to_vec())
}

fn public_key(pem: &[u8]) -> Option<Vec<u8>> {
    let der = der(pem)?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    Some(parsed.public_key().raw.to_vec())
}

fn reason(error: &TlsError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
