//! What stands in a certificate: its names, its subject, and how long it lasts.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::X509Certificate;

/// A certificate, as far as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its DNS names, in lower case; one may begin with `*.`.
    pub dns: Vec<String>,
    /// All of its alternative names, the DNS names too.
    pub sans: Vec<String>,
    /// The subject's distinguished name, as people write it.
    pub subject: String,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// SHA-256 of the whole, in hex.
    pub fingerprint: String,
    /// When it begins, in seconds since the Unix epoch.
    pub not_before: i64,
    /// When it ends, in seconds since the Unix epoch.
    pub not_after: i64,
}

/// Bytes that are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no X.509 certificate")]
pub struct NoCertificate;

impl Leaf {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, NoCertificate> {
        let (rest, certificate) = parse_x509_certificate(der).map_err(|_| NoCertificate)?;
        if !rest.is_empty() {
            return Err(NoCertificate);
        }
        let (mut dns, mut sans) = (Vec::new(), Vec::new());
        for name in alternative_names(&certificate)? {
            let Some(text) = text(name) else { continue };
            if matches!(name, GeneralName::DNSName(_)) {
                dns.push(text.clone());
            }
            sans.push(text);
        }
        let common_name = certificate.subject().iter_common_name().next();
        let common_name = common_name.and_then(|name| name.as_str().ok()).map(str::to_owned);
        let validity = certificate.validity();
        Ok(Self {
            dns,
            sans,
            subject: certificate.subject().to_string(),
            common_name,
            fingerprint: hex::encode(Sha256::digest(der)),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }
}

fn alternative_names<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a [GeneralName<'a>], NoCertificate> {
    let names = certificate.subject_alternative_name().map_err(|_| NoCertificate)?;
    Ok(names.map_or(&[], |names| &names.value.general_names))
}

/// The kinds of names that clients and servers are known by.
fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        // The crate's enum, not ours: directory names, object ids and what else nobody is called by here.
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
