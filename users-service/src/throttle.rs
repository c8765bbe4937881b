//! Sign-in throttling: failures are counted per pair of identifier and address, before any hashing.
//!
//! By pair, so that neither a stranger who tries somebody's password can lock that somebody out, nor one user behind a
//! shared address all the others. The gateway's limit by address alone comes on top.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use shared::clock::Clock;
use shared::domain::UserId;
use shared::store::{Counters, Quota, Take};

use crate::config;
use crate::mail::Template;
use crate::users::Identifier;

/// Counts attempts.
#[derive(Clone, Debug)]
pub struct Throttle {
    quota: Option<Quota>,
    shared: Counters,
    /// While the shared counters cannot be reached, each instance counts for itself: refusing everybody or nobody would
    /// both be what an attacker wants.
    own: Counters,
}

/// Whose attempt it is. Hashed, so that no store holds who tried to sign in from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// For an identifier, and the client's address (IPv6: its /64, which is one customer).
    #[must_use]
    pub fn new(identifier: &Identifier, address: Option<IpAddr>) -> Self {
        Self::of("sign-in", identifier, address)
    }

    /// For asking for a mail: who asks from where.
    #[must_use]
    pub fn asking(identifier: &Identifier, address: Option<IpAddr>) -> Self {
        Self::of("asking", identifier, address)
    }

    /// For the mails of one kind to one mailbox, whoever has them sent: one kind does not use up another's, nor what goes to
    /// whoever claims an address what goes to those who have proven it.
    #[must_use]
    pub fn mail(template: Template, proven: bool, mailbox: String) -> Self {
        let to = if proven { "proven" } else { "claimed" };
        Self::of(&format!("mail {} {to}", template.as_str()), &Identifier::Email(mailbox), None)
    }

    /// For the mails that one network has sent, to whomever.
    #[must_use]
    pub fn mails_from(address: IpAddr) -> Self {
        Self::of("mails from", &Identifier::Username(String::new()), Some(address))
    }

    /// For the codes of a second factor that are tried for one user, wherever from.
    #[must_use]
    pub fn otp(user: UserId) -> Self {
        Self::of("otp", &Identifier::Username(user.to_string()), None)
    }

    fn of(what: &str, identifier: &Identifier, address: Option<IpAddr>) -> Self {
        let address = match address {
            Some(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => format!("{:x?}", &v6.octets()[..8]),
            Some(IpAddr::V6(v6)) => v6.to_ipv4_mapped().map_or_else(String::new, |v4| v4.to_string()),
            Some(IpAddr::V4(v4)) => v4.to_string(),
            None => String::new(),
        };
        let pair = format!("{}\n{address}", identifier.as_str());
        Self(format!("{what}:{}", hex::encode(&digest(&SHA256, pair.as_bytes()).as_ref()[..16])))
    }
}

impl Throttle {
    /// Over these counters.
    #[must_use]
    pub fn new(config: &config::Throttle, shared: Counters, clock: Clock) -> Self {
        let quota = Quota { limit: config.attempts, window: config.window.get(), burst: config.attempts };
        Self { quota: config.enabled.then_some(quota), shared, own: Counters::memory(clock) }
    }

    /// The same for mails to one address.
    #[must_use]
    pub fn of_addresses(config: &config::Config, shared: Counters, clock: Clock) -> Self {
        let (attempts, window) = (config.mail.per_address, config.mail.per_address_window);
        Self::new(&config::Throttle { enabled: config.throttle.enabled, attempts, window }, shared, clock)
    }

    /// The same for mails from one network.
    #[must_use]
    pub fn of_networks(config: &config::Config, shared: Counters, clock: Clock) -> Self {
        let (attempts, window) = (config.mail.per_network, config.mail.per_network_window);
        Self::new(&config::Throttle { enabled: config.throttle.enabled, attempts, window }, shared, clock)
    }

    /// The same for the codes of one user.
    #[must_use]
    pub fn of_codes(config: &config::Config, shared: Counters, clock: Clock) -> Self {
        let (attempts, window) = (config.mfa.attempts, config.mfa.window);
        Self::new(&config::Throttle { enabled: config.throttle.enabled, attempts, window }, shared, clock)
    }

    /// Counts an attempt, or says how long to wait.
    ///
    /// # Errors
    /// The wait, when there were too many.
    pub async fn admit(&self, ticket: &Ticket) -> Result<(), Duration> {
        let Some(quota) = self.quota else { return Ok(()) };
        let take = [Take { key: &ticket.0, quota, cost: 1, shadow: false }];
        let decided = match self.shared.take(&take).await {
            Ok(decided) => decided,
            Err(error) => {
                tracing::warn!(%error, "sign-ins are counted by this instance alone");
                self.own.take(&take).await.unwrap_or_default()
            }
        };
        match decided.first() {
            Some(decision) if !decision.allowed => Err(decision.retry_after),
            Some(_) | None => Ok(()),
        }
    }

    /// Forgets the attempts that led to a success.
    pub async fn forgive(&self, ticket: &Ticket) {
        if self.quota.is_none() {
            return;
        }
        if let Err(error) = self.shared.reset(&ticket.0).await {
            tracing::debug!(%error, "attempts were not forgiven");
        }
        // In memory, which does not fail.
        self.own.reset(&ticket.0).await.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
