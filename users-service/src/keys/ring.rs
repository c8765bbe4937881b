//! The ring of signing keys: what each is for at an instant, and what is due. No clock, no database, no randomness.
//!
//! A key is published first, signs later, and verifies for as long as anything that it has signed: whoever holds an older
//! copy of the set, or an older token, never notices.

use std::cmp::Reverse;
use std::sync::Arc;

use super::algorithm::Algorithm;
use super::jwk::{Jwk, KeySet};
use super::signing::SigningKey;

/// How long it is known that a key was revoked, in microseconds.
const KEEP_REVOKED: i64 = 30 * 24 * 3_600 * 1_000_000;

/// What a key is for. The order is the one in which keys may change without two being active, backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Published, so that everybody knows it before it signs.
    Standby,
    /// Signs.
    Active,
    /// Has signed what may still be in use: verifies.
    Previous,
    /// Is not to be believed any more.
    Revoked,
}

/// A key with its life so far, in microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: Arc<SigningKey>,
    /// What it is for.
    pub state: State,
    /// When it was made.
    pub created_at: i64,
    /// Since when it is in the set.
    pub published_at: i64,
    /// Since when it signs; unknown where a release that knew no states made it.
    pub activated_at: Option<i64>,
    /// When it leaves the set, or left it.
    pub gone_at: Option<i64>,
}

/// What the configuration asks for; spans in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What to sign with.
    pub algorithm: Algorithm,
    /// How long a key signs; `None`: until somebody says so.
    pub rotate_every: Option<i64>,
    /// How long a key is published before it signs.
    pub publish_before: i64,
    /// How long after a key's last day something that it has signed may be in use.
    pub outlived_by: i64,
}

/// One change that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Note when a key began that was made by a release that knew no states.
    Adopt,
    /// Make a key that signs at once: there is none.
    MakeActive,
    /// Make the key that signs next.
    MakeStandby,
    /// Let it sign.
    Activate,
    /// Drop the key that would sign next: it is of another algorithm.
    GiveUp,
    /// Drop what nobody needs any more.
    Forget,
}

/// Why a key cannot be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irrevocable {
    /// There is none of that name.
    Unknown,
    /// It was revoked already.
    Already,
}

/// Every key there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring(Vec<Held>);

impl Step {
    /// Whether it takes a new key.
    #[must_use]
    pub const fn takes_a_key(self) -> bool {
        match self {
            Self::MakeActive | Self::MakeStandby => true,
            Self::Adopt | Self::Activate | Self::GiveUp | Self::Forget => false,
        }
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Standby, Self::Active, Self::Previous, Self::Revoked];

    /// As it is stored and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Active => "active",
            Self::Previous => "previous",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl Held {
    fn new(key: SigningKey, state: State, now: i64) -> Self {
        let activated_at = (state == State::Active).then_some(now);
        Self { key: Arc::new(key), state, created_at: now, published_at: now, activated_at, gone_at: None }
    }

    fn rank(&self) -> impl Ord + use<'_> {
        (self.state != State::Active, self.state, Reverse(self.activated_at), self.key.kid.as_str())
    }

    fn is_published(&self, now: i64) -> bool {
        match self.state {
            State::Standby | State::Active => true,
            State::Previous => self.gone_at.is_none_or(|gone_at| now < gone_at),
            State::Revoked => false,
        }
    }

    fn is_over(&self, now: i64) -> bool {
        match self.state {
            State::Standby | State::Active => false,
            State::Previous => self.gone_at.is_some_and(|gone_at| gone_at <= now),
            State::Revoked => self.gone_at.is_some_and(|gone_at| gone_at.saturating_add(KEEP_REVOKED) <= now),
        }
    }

    /// It signs no more: what could sign goes.
    fn retire(&mut self, state: State, gone_at: i64) {
        self.key = Arc::new(SigningKey { private: Vec::new(), ..(*self.key).clone() });
        (self.state, self.gone_at) = (state, Some(gone_at));
    }
}

impl Ring {
    /// Of these keys: the one that signs first, then the one that signs next, then those that have signed, newest first.
    #[must_use]
    pub fn of(mut keys: Vec<Held>) -> Self {
        // The same in every process, down to the last: the set's tag goes by it.
        keys.sort_by(|a, b| a.rank().cmp(&b.rank()));
        Self(keys)
    }

    /// Every key there is, in that order.
    #[must_use]
    pub fn keys(&self) -> &[Held] {
        &self.0
    }

    /// The key in this state, for the two states that one key at most is in.
    #[must_use]
    pub fn the(&self, state: State) -> Option<&Held> {
        self.0.iter().find(|held| held.state == state)
    }

    /// The key with this name, if the world may see it.
    #[must_use]
    pub fn published(&self, kid: &str, now: i64) -> Option<&Held> {
        self.0.iter().find(|held| held.key.kid == kid && held.is_published(now))
    }

    /// What the world may see.
    #[must_use]
    pub fn public(&self, now: i64) -> KeySet {
        let shown = self.0.iter().filter(|held| held.is_published(now));
        KeySet { keys: shown.filter_map(|held| held.key.jwk().ok()).collect::<Vec<Jwk>>() }
    }

    /// When the next key may sign: everybody knows it by then. `None`: there is none, or none of the right algorithm.
    #[must_use]
    pub fn ripe_at(&self, rules: &Rules) -> Option<i64> {
        let next = self.the(State::Standby).filter(|held| held.key.algorithm == rules.algorithm)?;
        Some(next.published_at.saturating_add(rules.publish_before))
    }

    /// What is to be done now, one thing after the other.
    #[must_use]
    pub fn due(&self, rules: &Rules, now: i64) -> Option<Step> {
        let is_unknown = |held: &Held| match held.state {
            State::Active => held.activated_at.is_none(),
            State::Previous | State::Revoked => held.gone_at.is_none(),
            State::Standby => false,
        };
        if self.0.iter().any(is_unknown) {
            return Some(Step::Adopt);
        }
        let Some(active) = self.the(State::Active) else {
            return Some(if self.the(State::Standby).is_some() { Step::Activate } else { Step::MakeActive });
        };
        let Some(next) = self.the(State::Standby) else { return Some(Step::MakeStandby) };
        let is_ripe = next.published_at.saturating_add(rules.publish_before) <= now;
        if is_ripe && next.key.algorithm != rules.algorithm {
            // Not before it is ripe: two processes whose settings differ while they change would drop each other's keys.
            return Some(Step::GiveUp);
        }
        let ends_at = active.activated_at.zip(rules.rotate_every).map(|(from, span)| from.saturating_add(span));
        if is_ripe && (active.key.algorithm != rules.algorithm || ends_at.is_some_and(|end| end <= now)) {
            return Some(Step::Activate);
        }
        self.0.iter().any(|held| held.is_over(now)).then_some(Step::Forget)
    }

    /// Does it. `fresh` is the new key, where one is taken.
    pub fn take(&mut self, step: Step, fresh: Option<SigningKey>, rules: &Rules, now: i64) {
        match step {
            Step::Adopt => self.adopt(rules, now),
            Step::MakeActive => self.0.extend(fresh.map(|key| Held::new(key, State::Active, now))),
            Step::MakeStandby => self.0.extend(fresh.map(|key| Held::new(key, State::Standby, now))),
            Step::Activate => self.activate(rules, now),
            Step::GiveUp => self.0.retain(|held| held.state != State::Standby),
            Step::Forget => self.0.retain(|held| !held.is_over(now)),
        }
        *self = Self::of(std::mem::take(&mut self.0));
    }

    fn adopt(&mut self, rules: &Rules, now: i64) {
        for held in &mut self.0 {
            match held.state {
                State::Standby => {}
                // Its time begins now: nothing rotates while half of a cluster runs the release before.
                State::Active => held.activated_at = held.activated_at.or(Some(now)),
                State::Previous | State::Revoked => {
                    held.gone_at = held.gone_at.or_else(|| Some(now.saturating_add(rules.outlived_by)));
                }
            }
        }
    }

    /// The next key signs, and the one that did verifies for as long as what it has signed.
    pub fn activate(&mut self, rules: &Rules, now: i64) {
        let gone_at = now.saturating_add(rules.outlived_by);
        self.0
            .iter_mut()
            .filter(|held| held.state == State::Active)
            .for_each(|held| held.retire(State::Previous, gone_at));
        self.promote(now);
        *self = Self::of(std::mem::take(&mut self.0));
    }

    fn promote(&mut self, now: i64) {
        for held in self.0.iter_mut().filter(|held| held.state == State::Standby) {
            (held.state, held.activated_at) = (State::Active, Some(now));
        }
    }

    /// Takes a key out of use. If it was the one that signs, the next one does from now on, whoever knows it; or `spare`,
    /// where there is none.
    ///
    /// # Errors
    /// A key that is not there, or was revoked before.
    pub fn revoke(&mut self, kid: &str, spare: Option<SigningKey>, now: i64) -> Result<(), Irrevocable> {
        let held = self.0.iter_mut().find(|held| held.key.kid == kid).ok_or(Irrevocable::Unknown)?;
        let was = held.state;
        match was {
            State::Revoked => return Err(Irrevocable::Already),
            State::Standby | State::Active | State::Previous => held.retire(State::Revoked, now),
        }
        if was == State::Active {
            match self.the(State::Standby) {
                Some(_) => self.promote(now),
                None => self.0.extend(spare.map(|key| Held::new(key, State::Active, now))),
            }
        }
        *self = Self::of(std::mem::take(&mut self.0));
        Ok(())
    }
}
