//! Requests that miss the same answer at the same time wait for one of them to fetch it.
//!
//! The leader's answer is shared when it may be kept and is fresh. When it may not be kept, everybody goes alone at once:
//! waiting in a row would be worse than not waiting at all. When the leader's client goes away, another leads; and once
//! more when the leader's call fails. Who has waited for two calls that failed is told so: an upstream that is down must
//! not be asked by everybody who waited for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use shared::problem::Problem;
use shared::store::tagged::Stamp;
use tokio::sync::watch;

use super::entry::Stored;
use super::key::Key;

/// How long answers for a key are not waited for, after one that could not be shared, and for how many keys that is
/// remembered.
const APART_FOR: Duration = Duration::from_secs(10);
const MAX_APART: u64 = 16_384;

/// What came of a flight.
#[derive(Clone, Debug)]
pub enum Landed {
    /// An answer for all whom it fits.
    Shared(Arc<Stored>),
    /// Nothing that could be shared: each goes alone.
    Apart,
    /// No answer: the upstream failed, in these words of ours.
    Failed(Problem),
    /// Its leader was cancelled: somebody else may lead.
    Vacant,
}

type State = Option<Landed>;

/// All flights of the process.
#[derive(Debug)]
pub struct Flights {
    now: Arc<Mutex<HashMap<Key, Flight>>>,
    /// How many have ended: whoever looked something up before one did looks again.
    ended: Arc<AtomicU64>,
    begun: AtomicU64,
    apart: moka::sync::Cache<Key, ()>,
}

#[derive(Debug)]
struct Flight {
    state: watch::Receiver<State>,
    begun: Stamp,
    number: u64,
}

/// What a request is to its flight.
pub enum Seat {
    /// It fetches.
    Leads(Lead),
    /// It waits.
    Waits(watch::Receiver<State>),
}

/// The duty to fetch. Dropped before it is done, it goes to another.
#[derive(Debug)]
pub struct Lead {
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
    ended: Arc<AtomicU64>,
    state: watch::Sender<State>,
    key: Key,
    number: u64,
}

impl Default for Flights {
    fn default() -> Self {
        let apart = moka::sync::Cache::builder().max_capacity(MAX_APART).time_to_live(APART_FOR).build();
        Self { now: Arc::default(), ended: Arc::default(), begun: AtomicU64::new(0), apart }
    }
}

impl Flights {
    /// Joins the flight to `key`, or begins one. A flight that was begun before the last purge that concerns the caller
    /// (`purged`) is none for it: its answer may be older.
    #[must_use]
    pub fn join(&self, key: &Key, begun: Stamp, purged: Stamp) -> Seat {
        let mut now = self.now.lock();
        if let Some(flight) = now.get(key).filter(|flight| flight.begun >= purged) {
            return Seat::Waits(flight.state.clone());
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let (state, receiver) = watch::channel(None);
        now.insert(key.clone(), Flight { state: receiver, begun, number });
        let (flights, ended) = (Arc::clone(&self.now), Arc::clone(&self.ended));
        Seat::Leads(Lead { flights, ended, state, key: key.clone(), number })
    }

    /// How many have ended so far.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether answers for this key turned out not to be shared, lately.
    #[must_use]
    pub fn is_apart(&self, key: &Key) -> bool {
        self.apart.contains_key(key)
    }

    /// Remembers that they are not.
    pub fn keep_apart(&self, key: &Key) {
        self.apart.insert(key.clone(), ());
    }
}

impl Lead {
    /// Gives everybody who waits the answer. Whoever comes until the lead is dropped gets it too.
    pub fn share(&self, stored: Arc<Stored>) {
        self.state.send_replace(Some(Landed::Shared(stored)));
    }

    /// Lets everybody go alone.
    pub fn release(&self) {
        self.state.send_replace(Some(Landed::Apart));
    }

    /// Tells everybody who waits that it was in vain. Whoever comes from now on does not join it.
    pub fn fail(self, problem: Problem) {
        self.leave();
        self.state.send_replace(Some(Landed::Failed(problem)));
    }

    fn leave(&self) {
        let mut now = self.flights.lock();
        if now.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            now.remove(&self.key);
        }
    }

    /// Whether anybody waits. The flight itself holds one receiver.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.state.receiver_count() > 1
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Before it can be seen that it is gone.
        self.ended.fetch_add(1, Ordering::AcqRel);
        self.leave();
        self.state.send_if_modified(|state| {
            let is_vacant = state.is_none();
            if is_vacant {
                *state = Some(Landed::Vacant);
            }
            is_vacant
        });
    }
}

/// Waits until the flight has ended.
pub async fn landed(mut state: watch::Receiver<State>) -> Landed {
    match state.wait_for(Option::is_some).await {
        Ok(landed) => landed.clone().unwrap_or(Landed::Vacant),
        Err(_) => Landed::Vacant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cache::key::Parts;

    const EARLY: Stamp = Stamp::ZERO;

    fn key() -> Key {
        Parts::begin("k").key()
    }

    fn lead(flights: &Flights) -> Lead {
        match flights.join(&key(), EARLY, EARLY) {
            Seat::Leads(lead) => lead,
            Seat::Waits(_) => panic!("somebody leads already"),
        }
    }

    fn wait(flights: &Flights) -> watch::Receiver<State> {
        match flights.join(&key(), EARLY, EARLY) {
            Seat::Waits(state) => state,
            Seat::Leads(_) => panic!("nobody leads"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_the_others_hear_of_it_at_once() {
        let flights = Flights::default();
        let leading = lead(&flights);
        assert!(!leading.is_awaited());
        let waiting: Vec<_> = (0..500).map(|_| wait(&flights)).collect();
        assert!(leading.is_awaited());
        leading.release();
        drop(leading);
        for state in waiting {
            assert!(matches!(landed(state).await, Landed::Apart));
        }
        assert_eq!(flights.ended(), 1);
        let _next = lead(&flights);
    }

    #[tokio::test]
    async fn a_lead_that_is_dropped_goes_to_exactly_one_of_those_who_wait() {
        let flights = Flights::default();
        let leading = lead(&flights);
        let waiting = [wait(&flights), wait(&flights), wait(&flights)];
        drop(leading);
        let mut leads = Vec::new();
        for state in waiting {
            assert!(matches!(landed(state).await, Landed::Vacant));
            if let Seat::Leads(lead) = flights.join(&key(), EARLY, EARLY) {
                leads.push(lead);
            }
        }
        assert_eq!(leads.len(), 1);
    }

    #[tokio::test]
    async fn a_lead_that_fails_tells_all_who_wait_and_the_next_to_come_leads_anew() {
        let flights = Flights::default();
        let leading = lead(&flights);
        let waiting: Vec<_> = (0..500).map(|_| wait(&flights)).collect();
        leading.fail(Problem::new(shared::problem::Code::BadGateway));
        assert!(flights.now.lock().is_empty());
        let next = lead(&flights);
        for state in waiting {
            assert!(matches!(landed(state).await, Landed::Failed(_)));
        }
        let late = wait(&flights);
        next.release();
        assert!(matches!(landed(late).await, Landed::Apart), "the first one's end was not the second one's");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_the_end_however_long_it_takes_and_nobody_waits_for_who_is_gone() {
        let flights = Flights::default();
        let leading = lead(&flights);
        let (patient, impatient) = (wait(&flights), wait(&flights));
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, landed(impatient)).await.is_err());
        let waits = tokio::spawn(landed(patient));
        tokio::time::sleep(3_600 * second).await;
        assert!(leading.is_awaited());
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        assert!(!leading.is_awaited(), "nobody waits any more, and the leader may give up");
        drop(leading);
        assert!(flights.now.lock().is_empty(), "no flight outlives its leader");
    }

    #[tokio::test]
    async fn who_comes_after_a_purge_does_not_join_what_began_before() {
        let flights = Flights::default();
        let old = lead(&flights);
        let old_waits = wait(&flights);
        let later = EARLY.next();
        let Seat::Leads(new) = flights.join(&key(), later, later) else { panic!("joined an old flight") };
        let Seat::Waits(new_waits) = flights.join(&key(), later, later) else { panic!("did not join") };
        drop(old);
        assert!(matches!(landed(old_waits).await, Landed::Vacant));
        new.release();
        assert!(matches!(landed(new_waits).await, Landed::Apart), "the old one's end is not the new one's");
    }
}
