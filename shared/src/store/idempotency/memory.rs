//! Keys in this process, bounded in bytes: outcomes make room for newer ones, keys do not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Claim, Digest, Found, Outcome};
use crate::clock::Clock;
use crate::store::StoreError;

/// What all keys with their outcomes together may weigh.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// What a key costs beside its outcome's bytes: its record and its places in the orders of expiry and of age.
const OVERHEAD: usize = 320;

/// See [`super::Idempotency::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryKeys {
    clock: Clock,
    records: Arc<Mutex<Records>>,
}

#[derive(Debug)]
struct Records {
    by_key: HashMap<Digest, Record>,
    /// By the instant of expiry and the number of writing.
    expiring: BTreeMap<(i64, u64), Digest>,
    /// The keys that have an outcome, oldest first.
    outcomes: BTreeMap<u64, Digest>,
    next: u64,
    weight: usize,
    bound: usize,
}

#[derive(Debug)]
struct Record {
    fingerprint: Digest,
    owner: u128,
    state: State,
    expires_at: i64,
    number: u64,
}

#[derive(Debug)]
enum State {
    /// Being carried out until then, in microseconds since the epoch; afterwards nobody knows.
    Leased(i64),
    Done(Bytes),
    Forgotten,
}

impl MemoryKeys {
    pub(super) fn new(clock: Clock, bound: usize) -> Self {
        let records = Records {
            by_key: HashMap::new(),
            expiring: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next: 0,
            weight: 0,
            bound,
        };
        Self { clock, records: Arc::new(Mutex::new(records)) }
    }

    pub(super) fn claim(&self, claim: &Claim) -> Result<Found, StoreError> {
        let now = self.clock.now_micros();
        let mut records = self.records.lock();
        records.expire(now);
        if let Some(record) = records.by_key.get(&claim.key) {
            if record.fingerprint != claim.fingerprint {
                return Ok(Found::Other);
            }
            match &record.state {
                State::Done(outcome) => return Ok(Found::Done(outcome.clone())),
                State::Forgotten => return Ok(Found::Forgotten),
                State::Leased(until) if *until > now => return Ok(Found::Running),
                State::Leased(_) if !claim.take_over => return Ok(Found::Lapsed),
                State::Leased(_) => {}
            }
        }
        records.put(claim, State::Leased(after(now, claim.lease)), now)?;
        Ok(Found::Ours)
    }

    pub(super) fn settle(&self, claim: &Claim, outcome: &Outcome) -> Result<(), StoreError> {
        let now = self.clock.now_micros();
        let mut records = self.records.lock();
        records.expire(now);
        if records.by_key.get(&claim.key).is_some_and(|record| record.owner != claim.owner) {
            return Ok(());
        }
        match outcome {
            Outcome::Done(outcome) => records.put(claim, State::Done(outcome.clone()), now),
            Outcome::Unknown => records.put(claim, State::Leased(now), now),
            Outcome::Free => {
                records.remove(&claim.key);
                Ok(())
            }
        }
    }
}

impl Records {
    fn expire(&mut self, now: i64) {
        while let Some((&(at, _), &key)) = self.expiring.first_key_value()
            && at <= now
        {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Digest) {
        if let Some(gone) = self.by_key.remove(key) {
            self.expiring.remove(&(gone.expires_at, gone.number));
            self.outcomes.remove(&gone.number);
            self.weight -= gone.state.weight();
        }
    }

    /// Writes a record in place of the key's former one, which it outweighs only by an outcome; so only a new key finds
    /// no room.
    fn put(&mut self, claim: &Claim, mut state: State, now: i64) -> Result<(), StoreError> {
        if state.weight() > self.bound / 8 {
            state = State::Forgotten;
        }
        self.remove(&claim.key);
        while self.weight + state.weight() > self.bound {
            if !self.forget_one() && !matches!(std::mem::replace(&mut state, State::Forgotten), State::Done(_)) {
                return Err(StoreError::Unavailable(format!("{} bytes are full of keys", self.bound)));
            }
        }
        let weight = state.weight();
        let (number, expires_at) = (self.next, after(now, claim.keep));
        self.next += 1;
        self.weight += weight;
        self.expiring.insert((expires_at, number), claim.key);
        if matches!(state, State::Done(_)) {
            self.outcomes.insert(number, claim.key);
        }
        let record = Record { fingerprint: claim.fingerprint, owner: claim.owner, state, expires_at, number };
        self.by_key.insert(claim.key, record);
        Ok(())
    }

    /// Lets the oldest outcome go; its key stays.
    fn forget_one(&mut self) -> bool {
        let Some((_, key)) = self.outcomes.pop_first() else { return false };
        if let Some(record) = self.by_key.get_mut(&key) {
            self.weight -= record.state.weight();
            record.state = State::Forgotten;
            self.weight += record.state.weight();
        }
        true
    }
}

impl State {
    fn weight(&self) -> usize {
        match self {
            Self::Done(outcome) => OVERHEAD + outcome.len(),
            Self::Leased(_) | Self::Forgotten => OVERHEAD,
        }
    }
}

fn after(now: i64, span: Duration) -> i64 {
    now.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: u32) -> Claim {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&key.to_be_bytes());
        let (lease, keep) = (Duration::from_secs(10), Duration::from_secs(60));
        Claim { key: digest, fingerprint: [1; 32], owner: u128::from(key), lease, keep, take_over: false }
    }

    fn carry_out(keys: &MemoryKeys, key: u32, bytes: usize) -> Result<(), StoreError> {
        assert_eq!(keys.claim(&claim(key))?, Found::Ours);
        keys.settle(&claim(key), &Outcome::Done(Bytes::from(vec![0; bytes])))
    }

    #[test]
    fn outcomes_make_room_and_keys_do_not() {
        let clock = Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC));
        let keys = MemoryKeys::new(clock.clone(), 100 * OVERHEAD);
        for key in 0..60 {
            carry_out(&keys, key, OVERHEAD).unwrap();
            assert!(matches!(keys.claim(&claim(key)), Ok(Found::Done(_))), "what was just done is there");
        }
        assert_eq!(keys.claim(&claim(0)).unwrap(), Found::Forgotten);
        assert!(keys.records.lock().weight <= 100 * OVERHEAD);
        for key in 60..100 {
            carry_out(&keys, key, 0).unwrap();
        }
        assert!(matches!(keys.claim(&claim(1_000)), Err(StoreError::Unavailable(_))), "full: refused, none forgotten");
        assert!((0..100).all(|key| keys.claim(&claim(key)).unwrap() != Found::Ours));
        clock.advance(Duration::from_secs(60));
        assert_eq!(keys.claim(&claim(1_000)).unwrap(), Found::Ours);
        let records = keys.records.lock();
        assert_eq!((records.by_key.len(), records.expiring.len(), records.outcomes.len()), (1, 1, 0));
        assert_eq!(records.weight, OVERHEAD);
    }

    #[test]
    fn an_outcome_that_would_drive_out_all_others_is_not_kept_but_its_key_is() {
        let keys = MemoryKeys::new(Clock::system(), 80 * OVERHEAD);
        carry_out(&keys, 1, OVERHEAD).unwrap();
        carry_out(&keys, 2, 20 * OVERHEAD).unwrap();
        assert_eq!(keys.claim(&claim(2)).unwrap(), Found::Forgotten);
        assert!(matches!(keys.claim(&claim(1)), Ok(Found::Done(_))));
    }
}
