//! An authority for tests: it issues what is asked for, into files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// One authority, with a folder of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: PathBuf,
}

/// A certificate and its key, both PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Pair {
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Authority {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tollgate-tls-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the tests' authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let authority = Self { issuer: Issuer::new(params, key), certificate, folder };
        authority.write("ca.pem", &authority.certificate);
        authority
    }

    /// A certificate for hosts, or for whoever has such a name.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| {})
    }

    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// One that ended long ago.
    pub fn issue_expired(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    /// One for a workload, which is called by a URI.
    pub fn issue_uri(&self, uri: &str) -> Pair {
        self.issue_with(&[], |params| params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap())))
    }

    /// One with a serial number that can be revoked.
    pub fn issue_numbered(&self, names: &[&str], number: u8) -> Pair {
        self.issue_with(names, |params| params.serial_number = Some(SerialNumber::from_slice(&[number])))
    }

    /// The list of what has been revoked.
    pub fn revoke(&self, number: u8) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[number]),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes both files; what to write under `tls.certificates`.
    pub fn write_pair(&self, name: &str, pair: &Pair) -> String {
        let cert = self.write(&format!("{name}.pem"), &pair.cert);
        let key = self.write(&format!("{name}.key"), &pair.key);
        row(&cert, &key)
    }

    /// A client that believes this authority, perhaps with a certificate of its own.
    pub fn client(&self, own: Option<&Pair>) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots);
        let key = |own: &Pair| PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        Arc::new(match own {
            Some(own) => client.with_client_auth_cert(vec![own.der()], key(own)).unwrap(),
            None => client.with_no_client_auth(),
        })
    }
}

/// A row of `tls.certificates`.
pub fn row(cert: &Path, key: &Path) -> String {
    format!("{{ cert = \"{}\", key = \"{}\" }}", cert.display(), key.display())
}
