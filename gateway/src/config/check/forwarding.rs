//! What the settings of a request's way must hold.

use shared::config::Report;

use crate::config::Forwarding;

/// A pseudonym (RFC 9110, section 7.6.3).
pub(super) fn check(config: &Forwarding, report: &mut Report<'_>) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
    report.ensure(config.via.bytes().all(is_name), "forwarding.via", "one word");
}
