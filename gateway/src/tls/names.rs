//! Which certificate a client gets: by the name it asks for (SNI), exact before wildcard, and by what it can verify.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::UnknownName;

/// Certificates by name. One name may have several, say with an elliptic and an RSA key.
#[derive(Debug)]
pub struct Names {
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// Who asks for nothing that is known gets this, or nothing.
    default: Option<Arc<CertifiedKey>>,
}

impl Names {
    /// Each certificate with its names; the first is the default, unless unknown names are refused.
    #[must_use]
    pub fn new(certificates: Vec<(Vec<String>, Arc<CertifiedKey>)>, unknown: UnknownName) -> Self {
        let first = certificates.first().map(|(_, key)| Arc::clone(key));
        let default = match unknown {
            UnknownName::Default => first,
            UnknownName::Refuse => None,
        };
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for (names, key) in certificates {
            for name in names {
                by_name.entry(name).or_default().push(Arc::clone(&key));
            }
        }
        Self { by_name, default }
    }

    /// The certificates for a name. `*` stands for exactly one label (RFC 9525, section 6.3).
    fn of(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let name = name.to_ascii_lowercase();
        let exact = self.by_name.get(&name);
        let found = exact.or_else(|| self.by_name.get(&format!("*.{}", name.split_once('.')?.1)));
        found.map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(keys) = hello.server_name().and_then(|name| self.of(name)) else {
            return self.default.clone();
        };
        let schemes = hello.signature_schemes();
        let verifiable = keys.iter().find(|key| key.key.choose_scheme(schemes).is_some());
        verifiable.or(keys.first()).cloned()
    }
}
