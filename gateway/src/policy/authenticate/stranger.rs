//! Credentials that nobody knows yet. Asking about one costs its issuer a question, waiting for the word costs us a place,
//! and anybody can make one up: so an address has no more questions open than it has room for failures, and all who wait
//! fill a part of the house only.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use shared::problem::{Code, Problem};

use crate::admin::metrics::Metrics;
use crate::policy::rate_limit::{Caller, Notice, PolicySet, RateLimiter, Room};

/// One address may have this part of the places in which strangers wait.
const PART: usize = 4;

/// The soonest that whoever has no room is asked to come again.
const SOON: Duration = Duration::from_secs(1);

/// Those whom nobody knows yet, of all workers. Looked at when one begins to wait and when that ends, and never for a
/// credential that is known.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    waiting: usize,
    /// No longer than the list of those who wait or have asked.
    by_address: HashMap<IpAddr, Own>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Own {
    waiting: usize,
    questions: u32,
}

/// What somebody has of the common good; dropping it gives it back.
#[derive(Debug)]
struct Held {
    strangers: Arc<Strangers>,
    address: IpAddr,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Place,
    Question,
}

/// A place to wait in.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] Held);

/// A question that was asked for somebody. Held until it has been counted against the address, so that between its answer
/// and that nobody gets in.
#[derive(Debug)]
pub struct Question(#[expect(dead_code, reason = "held, not read")] Held);

/// What has been asked about a request's credential.
#[derive(Debug, Default)]
pub enum Inquiry {
    /// Nothing, or nothing that need be counted.
    #[default]
    Nothing,
    /// A question, and it may yet turn out to have been in vain.
    Open(Question),
    /// Nothing, because there was no room: which counts no more than any request that is refused for that. What to say of
    /// the limits.
    TurnedAway(Option<Notice>),
}

/// One request, whose credential may be unknown.
#[derive(Clone, Copy)]
pub struct Stranger<'a> {
    /// All of them.
    pub all: &'a Arc<Strangers>,
    /// How many may wait at once.
    pub places: usize,
    /// What knows how much room an address has.
    pub limiter: &'a RateLimiter,
    /// What failures are counted by.
    pub failures: &'a PolicySet,
    /// Who asks.
    pub caller: Caller<'a>,
    /// Where that is counted.
    pub metrics: &'a Metrics,
    /// Where the question is held until it has been counted.
    pub inquiry: &'a RefCell<Inquiry>,
}

impl Strangers {
    /// Opens a question for an address, and says how many it has open now.
    fn open(&self, address: IpAddr) -> u32 {
        let mut count = self.0.lock();
        let own = count.by_address.entry(address).or_default();
        own.questions += 1;
        own.questions
    }
}

impl Stranger<'_> {
    fn address(&self) -> IpAddr {
        self.failures.networks().of(self.caller.client.ip)
    }

    /// A place to wait in.
    ///
    /// # Errors
    /// 503 when too many wait, or too many from this address.
    pub fn wait(&self) -> Result<Place, Problem> {
        let (address, most) = (self.address(), self.places);
        let mut count = self.all.0.lock();
        let own = count.by_address.get(&address).map_or(0, |own| own.waiting);
        if count.waiting >= most || own >= (most / PART).max(1) {
            return Err(Problem::new(Code::Overloaded).detail("Too many wait for their credentials to be checked."));
        }
        count.waiting += 1;
        count.by_address.entry(address).or_default().waiting += 1;
        Ok(Place(self.held(address, What::Place)))
    }

    /// Leave to ask. Nothing is charged: if the credential is good, the request is counted like any other, and if not, as
    /// every failure is.
    ///
    /// # Errors
    /// 429 when the address has as many questions open as it has room for failures.
    pub async fn ask(&self) -> Result<(), Problem> {
        let address = self.address();
        // Before the room is looked at: a question that has ended since is counted there, and one that has not here.
        let open = self.all.open(address);
        let question = Question(self.held(address, What::Question));
        let Room { left, wait, notice } = self.limiter.room(self.failures, self.caller, self.metrics).await;
        let may = open <= left;
        // What was held before is given back: a request asks one question at a time.
        drop(self.inquiry.replace(if may { Inquiry::Open(question) } else { Inquiry::TurnedAway(notice) }));
        if may { Ok(()) } else { Err(Problem::new(Code::RateLimited).retry_after(wait.max(SOON))) }
    }

    /// They are known now: what they asked is not a failure.
    pub fn is_known(&self) {
        drop(self.inquiry.take());
    }

    fn held(&self, address: IpAddr, what: What) -> Held {
        Held { strangers: Arc::clone(self.all), address, what }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut count = self.strangers.0.lock();
        let is_last = match (count.by_address.get_mut(&self.address), self.what) {
            (Some(own), What::Place) => {
                own.waiting -= 1;
                *own == Own::default()
            }
            (Some(own), What::Question) => {
                own.questions -= 1;
                *own == Own::default()
            }
            (None, _) => false,
        };
        if is_last {
            count.by_address.remove(&self.address);
        }
        if self.what == What::Place {
            count.waiting -= 1;
        }
    }
}
