//! From files to what rustls serves with: every pair is parsed and held against each other before any of it is used.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use shared::clock::Clock;

use super::files::{Bytes, Files, Mistake, Mistakes};
use super::leaf::Leaf;
use super::names::Names;
use super::trust::Trust;
use crate::config::{self, ClientAuth, TlsVersion};

/// The one protocol spoken inside: see the contract on HTTP/2.
const ALPN: &[u8] = b"http/1.1";

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// rustls's time is the gateway's.
#[derive(Debug)]
pub(super) struct Time(pub(super) Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now_seconds()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// One certificate that is presented.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Its file, as it was configured.
    pub file: String,
    /// What stands in it.
    pub leaf: Leaf,
}

/// Everything that was made of the files.
#[derive(Debug)]
pub struct Loaded {
    /// What handshakes are made with.
    pub server: Arc<ServerConfig>,
    /// What is presented, in the configuration's order.
    pub certificates: Vec<Presented>,
    /// Whose certificates are taken.
    pub trust: Arc<Trust>,
}

/// What files cannot give.
pub struct Means<'a> {
    /// Time.
    pub clock: &'a Clock,
    /// The keys that sessions are sealed with; they outlive a reload.
    pub tickets: &'a Arc<dyn ProducesTickets>,
    /// Whose certificates are taken now.
    pub trust: &'a Arc<Trust>,
}

/// Makes what is served with.
///
/// # Errors
/// Every mistake in the files. An expired certificate is none: presenting it is better than presenting nothing.
pub fn load(settings: &config::Tls, files: &Files, means: &Means<'_>) -> Result<Loaded, Mistakes> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut mistakes = Vec::new();
    let (mut keys, mut certificates) = (Vec::new(), Vec::new());
    for (i, (paths, pair)) in settings.certificates.iter().zip(&files.pairs).enumerate() {
        match certified(pair, &provider) {
            Ok((leaf, _)) if i > 0 && leaf.dns.is_empty() => {
                let what = "it has no DNS name, and is not the first: nobody would ever get it";
                mistakes.push(Mistake::new(format!("tls.certificates[{i}].cert"), what));
            }
            Ok((leaf, key)) => {
                keys.push((leaf.dns.clone(), Arc::new(key)));
                certificates.push(Presented { file: paths.cert.display().to_string(), leaf });
            }
            Err(faults) => mistakes.extend(
                faults.into_iter().map(|(key, what)| Mistake::new(format!("tls.certificates[{i}].{key}"), what)),
            ),
        }
    }
    let verifier = verifier(settings, files, &provider).map_err(|mistake| mistakes.push(mistake)).ok();
    let (Some(verifier), true) = (verifier, mistakes.is_empty()) else { return Err(Mistakes(mistakes)) };
    let versions = match settings.min_version {
        TlsVersion::Tls12 => &VERSIONS[..],
        TlsVersion::Tls13 => &VERSIONS[..1],
    };
    let server = ServerConfig::builder_with_details(provider, Arc::new(Time(means.clock.clone())))
        .with_protocol_versions(versions)
        .map_err(|error| Mistakes(vec![Mistake::new("tls.min_version", error)]))?;
    let names = Names::new(keys, settings.unknown_name);
    let trust = trust(settings, files, &verifier, means);
    let mut server = server.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(names));
    server.alpn_protocols = vec![ALPN.to_vec()];
    // Tickets, sealed, in place of sessions in memory: nothing is kept per client.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    match settings.client_auth {
        ClientAuth::Off => server.ticketer = Arc::clone(means.tickets),
        // A resumed session is not verified again: what was revoked in between would go on.
        ClientAuth::Optional | ClientAuth::Required => server.send_tls13_tickets = 0,
    }
    Ok(Loaded { server: Arc::new(server), certificates, trust })
}

/// Whose certificates are taken: the same as before, unless what that rests on has changed.
fn trust(
    settings: &config::Tls,
    files: &Files,
    verifier: &Arc<dyn ClientCertVerifier>,
    means: &Means<'_>,
) -> Arc<Trust> {
    let digest = files.trust_digest(settings.client_auth);
    if digest == means.trust.digest {
        return Arc::clone(means.trust);
    }
    let next = means.trust.generation + 1;
    Arc::new(match digest {
        None => Trust::nobody(next, means.clock),
        Some(digest) => Trust::new(next, digest, Arc::clone(verifier), settings.client_auth, means.clock),
    })
}

type Faults = Vec<(&'static str, String)>;

/// A certificate with its key, if they belong together.
fn certified((cert, key): &(Bytes, Bytes), provider: &CryptoProvider) -> Result<(Leaf, CertifiedKey), Faults> {
    let chain = cert.as_ref().map_err(Clone::clone).and_then(|pem| chain(pem));
    let key = key.as_ref().map_err(Clone::clone).and_then(|pem| {
        PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("there is no private key in this PEM file: {error}"))
    });
    let ((leaf, chain), key) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => {
            let faults = [chain.err().map(|what| ("cert", what)), key.err().map(|what| ("key", what))];
            return Err(faults.into_iter().flatten().collect());
        }
    };
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            vec![("key", "it does not belong to the certificate".to_owned())]
        }
        error => vec![("key", format!("it cannot be used: {error}"))],
    })?;
    Ok((leaf, pair))
}

fn chain(pem: &[u8]) -> Result<(Leaf, Vec<CertificateDer<'static>>), String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("this is no PEM file: {error}"))?;
    let first = chain.first().ok_or("there is no certificate in this PEM file")?;
    let leaf = Leaf::read(first).map_err(|error| error.to_string())?;
    Ok((leaf, chain))
}

/// Who judges clients' certificates.
fn verifier(
    settings: &config::Tls,
    files: &Files,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Mistake> {
    if settings.client_auth == ClientAuth::Off {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let wrong = |what: String| Mistake::new("tls.client_ca", what);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(files.client_ca.as_ref().map_err(|why| wrong(why.clone()))?) {
        let certificate = certificate.map_err(|error| wrong(format!("this is no PEM file: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("not a certificate to trust: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in this PEM file".to_owned()));
    }
    let mut crls = Vec::new();
    for (i, bytes) in files.client_crls.iter().enumerate() {
        let wrong = |what: String| Mistake::new(format!("tls.client_crls[{i}]"), what);
        let list = bytes.as_ref().map_err(|why| wrong(why.clone()))?;
        let list: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(list).collect();
        let list = list.map_err(|error| wrong(format!("this is no PEM file: {error}")))?;
        if list.is_empty() {
            return Err(wrong("there is no revocation list in this PEM file".to_owned()));
        }
        crls.extend(list);
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).with_crls(crls);
    let verifier = match settings.client_auth {
        ClientAuth::Optional => verifier.allow_unauthenticated(),
        ClientAuth::Required | ClientAuth::Off => verifier,
    };
    verifier.build().map_err(|error| Mistake::new("tls.client_crls", error))
}
