//! Credentials that were verified already, while they are good. One per worker, so that a look-up takes no lock.
//!
//! The map hashes the whole credential under a random key and compares it whole, so nobody can craft one that is taken
//! for another. Bounded by two generations: when the young one is full it becomes the old one, and what was not asked
//! for in between is forgotten.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Issuers, Verified};

type Generation = HashMap<Box<str>, Rc<Verified>, ahash::RandomState>;

/// Verified credentials of one worker.
#[derive(Debug)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    /// Most credentials in one generation.
    half: usize,
    /// Under whose rules they were verified.
    under: Option<Arc<Issuers>>,
}

impl TokenCache {
    /// Holds at most `capacity` credentials.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), half: (capacity / 2).max(1), under: None }
    }

    /// The same, with what was verified under other rules forgotten: after a reload an issuer may be gone.
    pub fn under(&mut self, issuers: &Arc<Issuers>) -> &mut Self {
        if !self.under.as_ref().is_some_and(|under| Arc::ptr_eq(under, issuers)) {
            *self = Self { under: Some(Arc::clone(issuers)), ..Self::new(2 * self.half) };
        }
        self
    }

    /// What is known of a credential, unless that is no longer good.
    pub fn get(&mut self, text: &str, now: i64) -> Option<Rc<Verified>> {
        if let Some(verified) = self.young.get(text) {
            return verified.is_good(now).then(|| Rc::clone(verified));
        }
        let (text, verified) = self.old.remove_entry(text).filter(|(_, verified)| verified.is_good(now))?;
        self.insert(text, Rc::clone(&verified));
        Some(verified)
    }

    /// Remembers a credential.
    pub fn put(&mut self, text: &str, verified: Rc<Verified>) {
        self.insert(text.into(), verified);
    }

    fn insert(&mut self, text: Box<str>, verified: Rc<Verified>) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text, verified);
    }
}

#[cfg(test)]
mod tests {
    use shared::auth::External;
    use shared::domain::Roles;

    use super::super::Subject;
    use super::*;

    fn verified(good_until: i64) -> Rc<Verified> {
        let (issuer, subject) = ("https://issuer.example".to_owned(), "somebody".to_owned());
        let somebody = External { issuer, subject, roles: Roles::NONE, scope: String::new() };
        Rc::new(Verified::of(Subject::External(somebody), good_until))
    }

    #[test]
    fn a_token_is_remembered_until_it_expires() {
        let mut cache = TokenCache::new(10);
        cache.put("a", verified(100));
        assert!(cache.get("a", 99).is_some());
        assert!(cache.get("a", 100).is_none());
        assert!(cache.get("b", 0).is_none());
    }

    #[test]
    fn it_stays_within_its_capacity_and_keeps_what_is_used() {
        let mut cache = TokenCache::new(10);
        cache.put("often", verified(100));
        for n in 0..1_000 {
            cache.put(&n.to_string(), verified(100));
            assert!(cache.get("often", 1).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert!(cache.get("3", 1).is_none());
    }

    #[test]
    fn other_rules_forget_everything() {
        let config = crate::config::Config::load(None, &[]).unwrap();
        let issuers = || Issuers::compile(&config, None).unwrap();
        let (before, after) = (issuers(), issuers());
        let mut cache = TokenCache::new(10);
        cache.under(&before).put("a", verified(100));
        assert!(cache.under(&before).get("a", 1).is_some());
        assert!(cache.under(&after).get("a", 1).is_none());
    }
}
