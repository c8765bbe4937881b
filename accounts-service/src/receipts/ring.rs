//! The receipt keys: which of them signs at an instant, and what is published of them. No clock, no database, no randomness.
//!
//! A key is published first and signs later, and its successor's first second is the end of its own: which one signs follows
//! from the rows and from the signer's own clock, so that no two processes have to switch at once. All instants are in
//! microseconds, and the bounds of keys whole seconds, as the times in receipts are.

use std::cmp::Reverse;

use super::key::Made;
use super::published::{KeySet, PublishedKey, Times};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// How long a key that signs no more can still be opened: a process whose clock is slow signs with it until then.
const ERASED_AFTER: i64 = 600 * SECOND;

/// A key with its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub kid: String,
    /// The 32 bytes of RFC 8032.
    pub public: Vec<u8>,
    /// What signs, sealed; nothing once it is erased.
    pub sealed: Option<Vec<u8>>,
    /// When it was made, and published.
    pub created_at: i64,
    /// Since when it signs.
    pub signs_from: i64,
    /// Since when its successor does.
    pub retired_at: Option<i64>,
    /// Since when nothing is believed that it has signed.
    pub revoked_at: Option<i64>,
}

/// Why a key cannot be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irrevocable {
    /// There is none of that name.
    Unknown,
    /// It was revoked already, and is not believed since then or before.
    Already,
}

/// Every key there is, in the order in which they are published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring(Vec<Held>);

impl Held {
    fn new(made: Made, now: i64, signs_from: i64) -> Self {
        let Made { kid, public, sealed } = made;
        Self { kid, public, sealed: Some(sealed), created_at: now, signs_from, retired_at: None, revoked_at: None }
    }

    const fn has_ended(&self, now: i64) -> bool {
        matches!(self.retired_at, Some(at) if at <= now)
    }

    fn is_over(&self, now: i64) -> bool {
        self.sealed.is_some() && self.retired_at.is_some_and(|at| at.saturating_add(ERASED_AFTER) <= now)
    }

    fn published(&self, now: i64) -> PublishedKey {
        let seconds = |at: i64| at.div_euclid(SECOND);
        let times = Times {
            made: seconds(self.created_at),
            signs: seconds(self.signs_from),
            // An end to come may yet be another: whoever keeps the set must not go by it.
            ended: self.retired_at.filter(|_| self.has_ended(now)).map(seconds),
            revoked: self.revoked_at.map(seconds),
        };
        PublishedKey::of(&self.public, times)
    }
}

impl Ring {
    /// Of these keys: the one that signs next, the one that signs, then those that have signed, newest first.
    #[must_use]
    pub fn of(mut keys: Vec<Held>) -> Self {
        // The same in every process, down to the last: the set's tag goes by it.
        keys.sort_by(|a, b| {
            (Reverse(a.signs_from), Reverse(a.created_at), &a.kid).cmp(&(
                Reverse(b.signs_from),
                Reverse(b.created_at),
                &b.kid,
            ))
        });
        Self(keys)
    }

    /// Every key.
    #[must_use]
    pub fn keys(&self) -> &[Held] {
        &self.0
    }

    /// The key that signs. The database is asked the same, by `store::PLACE`.
    #[must_use]
    pub fn signer(&self, now: i64) -> Option<&Held> {
        self.0.iter().find(|held| held.sealed.is_some() && held.signs_from <= now && !held.has_ended(now))
    }

    /// The key that will sign next.
    #[must_use]
    pub fn next(&self, now: i64) -> Option<&Held> {
        self.0.iter().find(|held| held.sealed.is_some() && held.signs_from > now && !held.has_ended(now))
    }

    /// What the world may see: all of them, for ever.
    #[must_use]
    pub fn published(&self, now: i64) -> KeySet {
        KeySet { keys: self.0.iter().map(|held| held.published(now)).collect() }
    }

    /// A key that signs from an instant on, in place of the one that does.
    pub fn succeed(&mut self, made: Made, now: i64, from: i64) {
        let from = from.div_euclid(SECOND) * SECOND;
        self.end_others(&made.kid, from);
        self.0.push(Held::new(made, now, from));
        self.sort();
    }

    /// Another key signs from an instant on, unless it does before: the next one, or `spare`, and then the next one never does.
    pub fn take_over(&mut self, spare: Option<Made>, now: i64, from: i64) {
        let from = from.div_euclid(SECOND) * SECOND;
        let next = self.next(now).map(|held| held.kid.clone());
        let next = self.0.iter_mut().find(|held| Some(&held.kid) == next.as_ref());
        match (spare, next) {
            (Some(made), given_up) => {
                if let Some(held) = given_up {
                    (held.sealed, held.retired_at) = (None, Some(from));
                    let began = held.signs_from;
                    self.go_on(began);
                }
                self.succeed(made, now, from);
            }
            (None, Some(held)) => {
                held.signs_from = held.signs_from.min(from);
                let (kid, from) = (held.kid.clone(), held.signs_from);
                self.end_others(&kid, from);
                self.sort();
            }
            (None, None) => {}
        }
    }

    /// Nothing is believed any more that this key has signed from `since` on, and it signs nothing more. Whoever was to end
    /// for it does not.
    ///
    /// # Errors
    /// A key that is not there, or is not believed since then already.
    pub fn revoke(&mut self, kid: &str, since: i64, now: i64) -> Result<(), Irrevocable> {
        let (since, at) = (since.div_euclid(SECOND) * SECOND, now.div_euclid(SECOND) * SECOND);
        let held = self.0.iter_mut().find(|held| held.kid == kid).ok_or(Irrevocable::Unknown)?;
        if held.revoked_at.is_some_and(|before| before <= since) {
            return Err(Irrevocable::Already);
        }
        let was_to_begin = (held.signs_from > now).then_some(held.signs_from);
        held.revoked_at = Some(since);
        held.sealed = None;
        held.retired_at = Some(held.retired_at.map_or(at, |ended| ended.min(at)));
        if let Some(from) = was_to_begin {
            self.go_on(from);
        }
        Ok(())
    }

    /// Erases what could sign, of those that signed long ago. Whether there was anything.
    pub fn erase(&mut self, now: i64) -> bool {
        let mut any = false;
        for held in self.0.iter_mut().filter(|held| held.is_over(now)) {
            held.sealed = None;
            any = true;
        }
        any
    }

    /// Whoever was to end for a key that was to sign from then on does not.
    fn go_on(&mut self, from: i64) {
        let ending = self.0.iter_mut().filter(|held| held.sealed.is_some() && held.retired_at == Some(from));
        ending.for_each(|held| held.retired_at = None);
    }

    fn end_others(&mut self, kid: &str, at: i64) {
        let others = self.0.iter_mut().filter(|held| held.kid != kid && held.sealed.is_some());
        others.for_each(|held| held.retired_at = Some(held.retired_at.map_or(at, |ended| ended.min(at))));
    }

    fn sort(&mut self) {
        *self = Self::of(std::mem::take(&mut self.0));
    }
}
