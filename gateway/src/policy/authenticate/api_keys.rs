//! API keys: those of the configuration, known by their hash, and those of our users, about which users-service is asked.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use shared::auth::External;
use shared::clock::to_micros;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::accepted::{Accepted, Place};
use super::introspect::{Answer, Asking, Introspector, fingerprint};
use super::issuers::Known;
use super::verify::{Refusal, Rules};
use super::{Failure, Means, Reach, Subject, Verified, When};
use crate::config::{self, Authentication, Config};

/// The `iss` of the configuration's keys: the gateway itself vouches for them.
const ISSUER: &str = "tollgate-gateway";

/// The compiled policy.
#[derive(Debug)]
pub struct ApiKeys {
    /// The header that carries a key; `None`: only Authorization does.
    pub header: Option<HeaderName>,
    /// What a bearer token begins with that is a key; empty: none is.
    pub prefix: String,
    fixed: HashMap<[u8; 32], Verified>,
    pub(super) asked: Option<Arc<Introspector>>,
}

impl ApiKeys {
    /// From the configuration, which has been checked.
    #[must_use]
    pub(super) fn compile(config: &Config, known: &Known<'_>) -> Self {
        let authentication = &config.authentication;
        let keys = &authentication.api_keys;
        let path = keys.introspection.as_str();
        let asked = (!path.is_empty()).then(|| {
            let url = [config.services.users.url.trim_end_matches('/'), path].concat();
            let asking = Asking::Gateway { path: path.to_owned() };
            let rules = Rules::of_our_keys(authentication);
            let name = super::accepted::API_KEYS;
            known.asked(Introspector::new(name, url, asking, rules, &authentication.introspection))
        });
        let fixed = keys.keys.iter().filter_map(|key| Some((hash(&key.sha256)?, fixed(key, authentication)?)));
        Self { header: keys.header.parse().ok(), prefix: keys.prefix.clone(), fixed: fixed.collect(), asked }
    }

    pub(super) fn does_for(&self, other: &Self) -> bool {
        let Self { header, prefix, fixed, asked } = self;
        let asked = asked.as_ref().map(Arc::as_ptr);
        (header, prefix, fixed) == (&other.header, &other.prefix, &other.fixed)
            && asked == other.asked.as_ref().map(Arc::as_ptr)
    }

    /// Whether a route that takes these issuers takes any key there may be.
    #[must_use]
    pub fn are_taken(&self, accepted: Accepted) -> bool {
        (self.asked.is_some() && accepted.has(Place::API_KEYS))
            || (!self.fixed.is_empty() && accepted.has(Place::STATIC_KEYS))
    }

    /// Whether a bearer token is a key.
    #[must_use]
    pub fn is_key(&self, token: &str) -> bool {
        !self.prefix.is_empty() && token.starts_with(&self.prefix)
    }

    /// Whom a key stands for.
    ///
    /// # Errors
    /// Nobody was asked.
    pub(super) async fn about(&self, key: &str, when: When, means: &Means<'_>) -> Result<Answer, Failure> {
        if let Some(known) = self.fixed.get(&fingerprint(key)) {
            return Ok(match known.good_until > when.now {
                true => Answer::Active(Box::new(known.clone())),
                false => Answer::Refused(Refusal::Expired),
            });
        }
        let Some(asked) = &self.asked else { return Ok(Answer::Refused(Refusal::NotActive)) };
        Ok(match asked.about(key, when, means).await? {
            Answer::Active(verified) => Answer::Active(Box::new(Verified { place: Place::API_KEYS, ..*verified })),
            other @ (Answer::Refused(_) | Answer::Unavailable | Answer::Crowded) => other,
        })
    }

    /// Whether a key stands in the configuration.
    #[must_use]
    pub fn is_fixed(&self, key: &str) -> bool {
        self.fixed.contains_key(&fingerprint(key))
    }

    /// Whether our users' keys are asked about as they were by `before`.
    #[must_use]
    pub fn asks_as(&self, before: &Self) -> bool {
        self.asked.as_ref().zip(before.asked.as_ref()).is_some_and(|(now, before)| now.asks_as(before))
    }
}

fn fixed(key: &config::StaticKey, config: &Authentication) -> Option<Verified> {
    let scope = key.scopes.join(" ");
    let full = !config.full_scope.is_empty() && key.scopes.contains(&config.full_scope);
    let expires_at = match &key.expires_at {
        Some(text) => to_micros(OffsetDateTime::parse(text, &Rfc3339).ok()?).div_euclid(1_000_000),
        None => i64::MAX,
    };
    let external = External { issuer: ISSUER.to_owned(), subject: key.name.clone(), roles: key.roles, scope };
    Some(Verified {
        api_key: Some(key.name.as_str().into()),
        reach: if full { Reach::Everything } else { Reach::Bounded },
        place: Place::STATIC_KEYS,
        ..Verified::of(Subject::External(external), expires_at)
    })
}

/// A SHA-256 in hexadecimal.
#[must_use]
pub fn hash(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
