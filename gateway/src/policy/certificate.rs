//! Clients' certificates: what a verified one says of its holder, and the routes that let in only some.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use rustls::pki_types::CertificateDer;
use shared::clock::Clock;
use shared::problem::{Code, Problem};

use crate::config;
use crate::tls::{Leaf, NoCertificate, Trust};

/// How a route names a certificate by its hash.
const BY_FINGERPRINT: &str = "sha256:";

/// A certificate that the handshake has verified: its holder has the key, and an authority of ours vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the whole, in hex.
    pub fingerprint: String,
    /// The subject's distinguished name.
    pub subject: String,
    /// The alternative names; when there are none, the common name.
    pub names: Vec<String>,
    /// As upstreams are told it (RFC 9440, section 2.2).
    pub header: HeaderValue,
    /// When it ends, in seconds since the Unix epoch.
    not_after: i64,
}

impl ClientCertificate {
    /// Reads what the handshake has verified.
    ///
    /// # Errors
    /// When rustls has taken for a certificate what is none to us.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, NoCertificate> {
        let leaf = Leaf::read(der)?;
        let header = HeaderValue::try_from(format!(":{}:", STANDARD.encode(der))).map_err(|_| NoCertificate)?;
        // RFC 9525, section 6.3: what has alternative names is not called by its common name.
        let names = if leaf.sans.is_empty() { leaf.common_name.into_iter().collect() } else { leaf.sans };
        Ok(Self { fingerprint: leaf.fingerprint, subject: leaf.subject, names, header, not_after: leaf.not_after })
    }

    fn is_called(&self, name: &str) -> bool {
        match name.strip_prefix(BY_FINGERPRINT) {
            Some(fingerprint) => self.fingerprint.eq_ignore_ascii_case(fingerprint),
            None => self.names.iter().any(|own| own == name),
        }
    }
}

/// A certificate as a connection has shown it, with what was sent along with it: so that it can be verified again when
/// other certificates are taken than at its handshake.
#[derive(Debug)]
pub struct Shown {
    certificate: ClientCertificate,
    chain: Vec<CertificateDer<'static>>,
    /// What it was verified under last, and whether it held: twice the generation, and one if it did.
    verdict: AtomicU64,
}

impl Shown {
    /// Reads what the handshake has verified under this trust; `None`: nothing was shown.
    ///
    /// # Errors
    /// When rustls has taken for a certificate what is none to us.
    pub fn read(chain: &[CertificateDer<'static>], trust: &Trust) -> Result<Option<Self>, NoCertificate> {
        let Some(first) = chain.first() else { return Ok(None) };
        let (certificate, chain) = (ClientCertificate::read(first)?, chain.to_vec());
        Ok(Some(Self { certificate, chain, verdict: AtomicU64::new(verdict(trust, true)) }))
    }

    /// The certificate, if it is taken. After a change it is verified once.
    pub fn taken(&self, trust: &Trust) -> Option<&ClientCertificate> {
        let known = self.verdict.load(Ordering::Acquire);
        let holds = if known >> 1 == trust.generation {
            known == verdict(trust, true)
        } else {
            let holds = trust.takes(&self.chain);
            self.verdict.store(verdict(trust, holds), Ordering::Release);
            holds
        };
        holds.then_some(&self.certificate)
    }
}

fn verdict(trust: &Trust, holds: bool) -> u64 {
    trust.generation << 1 | u64::from(holds)
}

/// What a route asks of the client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRule {
    /// Whether there must be one.
    pub required: bool,
    /// Who may; empty: whoever has one.
    pub names: Vec<String>,
    /// Whether the upstream is told.
    pub forward: bool,
}

impl CertificateRule {
    /// From a row of the table, which has been checked.
    #[must_use]
    pub fn compile(row: &config::Route) -> Self {
        let (required, forward) = (row.client_certificate, row.forward_client_certificate);
        Self { required, names: row.client_names.clone(), forward }
    }

    /// Whether the certificate that was shown lets the client in, or tells the upstream who it is.
    #[must_use]
    pub const fn speaks(&self, certificate: Option<&ClientCertificate>) -> bool {
        self.required || (self.forward && certificate.is_some())
    }

    /// Lets the client through.
    ///
    /// # Errors
    /// 403: it has shown no certificate, one that has ended since, or one of somebody else.
    pub fn check(&self, certificate: Option<&ClientCertificate>, clock: &Clock) -> Result<(), Problem> {
        if !self.required {
            return Ok(());
        }
        let Some(certificate) = certificate else { return Err(Problem::new(Code::CertificateRequired)) };
        // The handshake may lie days back.
        if certificate.not_after < clock.now_seconds() {
            return Err(Problem::new(Code::CertificateRequired).detail("The client's certificate has expired."));
        }
        if self.names.is_empty() || self.names.iter().any(|name| certificate.is_called(name)) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden).detail("The client's certificate is not one that may do this."))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn certificate(names: &[&str]) -> ClientCertificate {
        ClientCertificate {
            fingerprint: "ab12".to_owned(),
            subject: "CN=x".to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            header: HeaderValue::from_static("::"),
            not_after: 1_000_010,
        }
    }

    #[test]
    fn a_certificate_speaks_where_it_is_demanded_or_told() {
        let (shown, rule) = (certificate(&[]), CertificateRule::default());
        let (demanding, telling) =
            (CertificateRule { required: true, ..rule.clone() }, CertificateRule { forward: true, ..rule });
        assert!(demanding.speaks(None) && demanding.speaks(Some(&shown)));
        assert!(telling.speaks(Some(&shown)) && !telling.speaks(None));
        assert!(!CertificateRule::default().speaks(Some(&shown)));
    }

    #[test]
    fn a_route_lets_in_whom_it_names_for_as_long_as_the_certificate_lasts() {
        let clock = Clock::manual(time::OffsetDateTime::from_unix_timestamp(1_000_000).unwrap());
        let rule = |names: &[&str]| CertificateRule {
            required: true,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            forward: false,
        };
        let code = |rule: &CertificateRule, certificate: Option<&ClientCertificate>| {
            rule.check(certificate, &clock).map_err(|problem| problem.code())
        };
        let batch = certificate(&["batch.example", "spiffe://example/batch"]);
        assert_eq!(code(&CertificateRule::default(), None), Ok(()));
        assert_eq!(code(&rule(&[]), None), Err(Code::CertificateRequired));
        assert_eq!(code(&rule(&[]), Some(&batch)), Ok(()));
        for (name, passes) in [
            ("batch.example", true),
            ("spiffe://example/batch", true),
            ("sha256:AB12", true),
            ("ab12", false),
            ("spiffe://example/Batch", false),
            ("batch", false),
            ("CN=x", false),
            ("sha256:", false),
        ] {
            assert_eq!(code(&rule(&[name]), Some(&batch)).is_ok(), passes, "{name}");
        }
        clock.advance(Duration::from_secs(11));
        assert_eq!(code(&rule(&[]), Some(&batch)), Err(Code::CertificateRequired));
    }
}
