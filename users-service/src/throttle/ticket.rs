//! What is counted together.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};

use shared::domain::{SessionId, UserId};

use super::network::{customer, network};
use crate::mail::Template;
use crate::users::Identifier;

/// Whose attempt it is. Hashed, so that no store holds who tried to sign in from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket(String);

/// By what a mailbox is somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// They have shown it.
    Proven,
    /// They say so.
    Made,
    /// They say so of an address with a detail (`ada+x@`), and who has the mailbox may know nothing of it.
    WithDetail,
}

impl Claim {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Made => "claimed",
            Self::WithDetail => "detailed",
        }
    }
}

impl Ticket {
    /// For signing in under an identifier from the client's address (IPv6: its /64, which is one customer).
    #[must_use]
    pub fn new(identifier: &Identifier, address: Option<IpAddr>) -> Self {
        Self::of("sign-in", identifier, address)
    }

    /// For signing in under an identifier, from wherever.
    #[must_use]
    pub fn identifier(identifier: &Identifier) -> Self {
        Self::hashed("sign-in as", identifier.as_str(), "")
    }

    /// For signing in with a passkey, by what its authenticator calls it, from the client's address.
    #[cfg(feature = "passkeys")]
    #[must_use]
    pub fn passkey(credential_id: &[u8], address: Option<IpAddr>) -> Self {
        Self::hashed("passkey", &hex::encode(credential_id), &address.map_or_else(String::new, customer))
    }

    /// For signing in from a network, as whomever.
    #[must_use]
    pub fn network(address: IpAddr) -> Self {
        Self::hashed("sign-in from", "", &network(address))
    }

    /// For proving who one is within a session, whichever and from wherever.
    #[must_use]
    pub fn proofs_of(user: UserId) -> Self {
        Self::hashed("proofs of", &user.to_string(), "")
    }

    /// For proving who one is within one session, from wherever.
    #[must_use]
    pub fn proofs_in(session: SessionId) -> Self {
        Self::hashed("proofs in", &session.to_string(), "")
    }

    /// For OAuth clients at an address that have not shown who they are, whichever they say they are.
    #[must_use]
    pub fn client(address: Option<IpAddr>) -> Self {
        Self::of("client", &Identifier::Username(String::new()), address)
    }

    /// For asking for a mail: who asks from where.
    #[must_use]
    pub fn asking(identifier: &Identifier, address: Option<IpAddr>) -> Self {
        Self::of("asking", identifier, address)
    }

    /// For the mails of one kind to one mailbox, whoever has them sent: one kind does not use up another's, nor one claim.
    #[must_use]
    pub fn mail(template: Template, claim: Claim, mailbox: String) -> Self {
        let to = claim.as_str();
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
        Self::hashed("otp", &user.to_string(), "")
    }

    /// For the codes that are tried for an app that is being set up. Apart from those of a sign-in, or whoever holds nothing but
    /// a session could use these up.
    #[must_use]
    pub fn otp_setup(user: UserId) -> Self {
        Self::hashed("otp set-up", &user.to_string(), "")
    }

    fn of(what: &str, identifier: &Identifier, address: Option<IpAddr>) -> Self {
        Self::hashed(what, identifier.as_str(), &address.map_or_else(String::new, customer))
    }

    fn hashed(what: &str, whose: &str, place: &str) -> Self {
        let pair = format!("{whose}\n{place}");
        Self(format!("{what}:{}", hex::encode(&digest(&SHA256, pair.as_bytes()).as_ref()[..16])))
    }

    /// The name of its counter.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}
