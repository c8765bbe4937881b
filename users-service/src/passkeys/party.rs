//! The relying party: our side of WebAuthn.

use passki::Passki;

use super::settings::{Site, site};
use crate::config::Config;

/// Verifies what authenticators sign for our site. Nothing that was signed inside a frame of another site is taken, and what
/// an authenticator says of its make is not asked.
pub(super) fn party(config: &Config) -> Passki {
    let Site { rp_id, origins } = site(config);
    Passki::new(&rp_id, &origins, &config.mfa.issuer)
}
