//! Whose certificates clients may come with. A connection outlives its handshake, so it notes which of these its
//! certificate was verified under; after a change that counts for nothing until it has been verified again.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::time_provider::TimeProvider;
use shared::clock::Clock;

use super::load::Time;
use crate::config::ClientAuth;

/// The authorities, what they have revoked, and whether a certificate is demanded.
pub struct Trust {
    /// One more with each change.
    pub generation: u64,
    /// What tells one from another; `None`: nobody is asked for a certificate.
    pub(super) digest: Option<[u8; 32]>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    demand: ClientAuth,
    time: Time,
}

impl Trust {
    /// Asks nobody.
    pub(super) fn nobody(generation: u64, clock: &Clock) -> Self {
        let time = Time(clock.clone());
        Self { generation, digest: None, verifier: None, demand: ClientAuth::Off, time }
    }

    /// Asks clients.
    pub(super) fn new(
        generation: u64,
        digest: [u8; 32],
        verifier: Arc<dyn ClientCertVerifier>,
        demand: ClientAuth,
        clock: &Clock,
    ) -> Self {
        Self { generation, digest: Some(digest), verifier: Some(verifier), demand, time: Time(clock.clone()) }
    }

    /// Whether nobody comes in without a certificate.
    #[must_use]
    pub const fn is_demanded(&self) -> bool {
        match self.demand {
            ClientAuth::Required => true,
            ClientAuth::Optional | ClientAuth::Off => false,
        }
    }

    /// Whether a handshake would take this certificate, with what was sent along with it. That its holder has the key was
    /// shown in the connection's own handshake.
    #[must_use]
    pub fn takes(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some(verifier), Some((first, others)), Some(now)) =
            (&self.verifier, chain.split_first(), self.time.current_time())
        else {
            return false;
        };
        verifier.verify_client_cert(first, others, now).is_ok()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("generation", &self.generation).finish_non_exhaustive()
    }
}
