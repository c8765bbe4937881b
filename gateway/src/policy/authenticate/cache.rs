//! Tokens that were verified already, until they expire. One per worker, so that a look-up takes no lock.
//!
//! The map hashes the whole token under a random key and compares it whole, so nobody can craft a token that is taken
//! for another. Bounded by two generations: when the young one is full it becomes the old one, and what was not asked
//! for in between is forgotten.

use std::collections::HashMap;
use std::rc::Rc;

use super::verify::Verified;

type Generation = HashMap<Box<str>, Rc<Verified>>;

/// Verified tokens of one worker.
#[derive(Debug)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    /// Most tokens in one generation.
    half: usize,
}

impl TokenCache {
    /// Holds at most `capacity` tokens.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { young: Generation::new(), old: Generation::new(), half: (capacity / 2).max(1) }
    }

    /// What is known of a token, unless it has expired.
    pub fn get(&mut self, token: &str, now: i64) -> Option<Rc<Verified>> {
        if let Some(verified) = self.young.get(token) {
            return (verified.expires_at > now).then(|| Rc::clone(verified));
        }
        let (token, verified) = self.old.remove_entry(token).filter(|(_, verified)| verified.expires_at > now)?;
        self.insert(token, Rc::clone(&verified));
        Some(verified)
    }

    /// Remembers a token.
    pub fn put(&mut self, token: &str, verified: Rc<Verified>) {
        self.insert(token.into(), verified);
    }

    fn insert(&mut self, token: Box<str>, verified: Rc<Verified>) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, verified);
    }
}

#[cfg(test)]
mod tests {
    use shared::auth::User;
    use shared::clock::Clock;
    use shared::domain::{Roles, SessionId, UserId};

    use super::*;

    fn verified(expires_at: i64) -> Rc<Verified> {
        let clock = Clock::system();
        let (id, session) = (UserId::generate(&clock), SessionId::generate(&clock));
        Rc::new(Verified { user: User { id, session, roles: Roles::NONE, scope: String::new(), ver: 0 }, expires_at })
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
}
