//! Answers that are kept and given again (RFC 9111): fresh ones without asking anybody, stale ones while they are being
//! renewed or when nobody answers, and one call for all who miss the same answer at once.
//!
//! What a caller's credentials brought is kept under that caller's name (id, session, roles, scope) and never given to
//! another; only what an upstream calls `public`, on a route that believes it, is everybody's. The rules are those of
//! the library `http-cache-semantics`; what is decided here is to whom an answer may be given, and where the library is
//! looser than the RFC (`directives`, `entry`).

mod asked;
mod capture;
mod codec;
mod conditions;
mod directives;
mod draft;
mod entry;
mod fetch;
mod flight;
mod kept_at;
mod key;
mod landing;
mod owed;
mod purge;
mod refresh;
mod replay;
mod settings;
mod shelf;
mod status;
pub mod tags;
mod turn;

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{AGE, HeaderValue};
use bytes::Bytes;
use shared::clock::Clock;
use shared::problem::{Code, Problem};
use shared::store::TaggedCache;
use shared::store::tagged::Stamp;

pub use purge::PurgeError;
pub use settings::Settings;
pub use turn::Turn;

use super::in_flight::Permit;
use crate::admin::metrics::cache::Counters;
use crate::upstream::body::Arriving;
use crate::waiting::Waiting;
use asked::Asked;
use codec::Kept;
use entry::{Standing, Stored};
use flight::{Flights, Landed, Seat, landed};
use key::Key;
use replay::Replay;
use shelf::Shelf;
use status::{Forwarded, Source, announce};

/// What all workers share.
#[derive(Debug)]
pub struct ResponseCache {
    shelf: Shelf,
    flights: Flights,
    /// Answers on their way into the cache.
    waiting: Waiting,
    clock: Clock,
    counters: Counters,
}

/// What a look-up found.
#[derive(Clone)]
struct Known {
    stored: Option<Arc<Stored>>,
    /// Where requests for the same answer meet.
    meeting: Key,
    now: Stamp,
    purged: Stamp,
}

impl ResponseCache {
    /// On a store.
    #[must_use]
    pub fn new(store: TaggedCache, clock: Clock, counters: Counters) -> Self {
        let shelf = Shelf::new(store, clock.clone(), counters.clone());
        Self { shelf, flights: Flights::default(), waiting: Waiting::default(), clock, counters }
    }

    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }

    /// The answer to a request: from the cache, or by the call.
    ///
    /// # Errors
    /// Those of the call, unless a stale answer stands in; 504 for what is wanted from the cache only and is not there.
    pub async fn serve(&self, turn: &Turn<'_>, body: Arriving, permit: Permit) -> Result<HttpResponse, Problem> {
        if turn.tables.caching_hosts.is_empty() {
            return turn.send(body, permit).await;
        }
        if !turn.call.head.method.is_safe() {
            return Box::pin(self.change(turn, body, permit)).await;
        }
        let Some(settings) = turn.route.cache.as_ref() else { return turn.send(body, permit).await };
        if let Some(asked) = Asked::of(turn, settings) {
            return Box::pin(self.cached(turn, &asked, permit)).await;
        }
        self.counters.bypass.inc();
        let mut answer = Box::pin(turn.send(body, permit)).await?;
        if !answer.status().is_informational() {
            self.forwarded(&mut answer, Forwarded::Bypass, false);
        }
        Ok(answer)
    }

    async fn cached(&self, turn: &Turn<'_>, asked: &Asked<'_>, permit: Permit) -> Result<HttpResponse, Problem> {
        let ended = self.flights.ended();
        let known = self.look_up(asked).await;
        if let Some(known) = &known
            && let Some(stored) = &known.stored
        {
            match stored.standing(asked, self.now()) {
                Standing::Fresh => return Ok(self.hit(asked, stored, permit)),
                Standing::WhileRevalidating => {
                    self.counters.stale.inc();
                    refresh::behind(turn, known, ended);
                    let source = Source::Kept(stored, Some("stale-while-revalidate"));
                    return Ok(self.give(asked, stored, source, permit));
                }
                Standing::Stale => {}
            }
        }
        if asked.only_if_cached() {
            self.counters.absent.inc();
            return Err(
                Problem::new(Code::GatewayTimeout).detail("Nothing fresh is kept, and `only-if-cached` was asked.")
            );
        }
        match known {
            Some(known) if asked.may_share() && !self.flights.is_apart(&known.meeting) => {
                self.meet(turn, asked, known, ended, permit).await
            }
            known => self.fetch(turn, asked, known, None, permit).await,
        }
    }

    /// Fetches, or waits for whoever fetches the same.
    async fn meet(
        &self,
        turn: &Turn<'_>,
        asked: &Asked<'_>,
        mut known: Known,
        ended: u64,
        permit: Permit,
    ) -> Result<HttpResponse, Problem> {
        let mut failures = 0;
        loop {
            let state = match self.flights.join(&known.meeting, known.now, known.purged) {
                Seat::Waits(state) => state,
                Seat::Leads(lead) => {
                    // Somebody may have brought the answer between our look and our lead.
                    if self.flights.ended() != ended
                        && let Some(again) = self.look_up(asked).await
                    {
                        let fresh = again.stored.as_ref().filter(|s| s.standing(asked, self.now()) == Standing::Fresh);
                        if let Some(stored) = fresh {
                            lead.share(Arc::clone(stored));
                            return Ok(self.hit(asked, stored, permit));
                        }
                        known.stored = again.stored;
                    }
                    return self.fetch(turn, asked, Some(known), Some(lead), permit).await;
                }
            };
            let landed = match turn.call.deadline.hold(landed(state)).await {
                Ok(landed) => landed,
                Err(late) => return self.stand_in(asked, known.stored.as_ref()).ok_or(late),
            };
            match landed {
                Landed::Shared(stored) if self.fits(asked, &stored) => {
                    self.counters.coalesced.inc();
                    return Ok(self.give(asked, &stored, Source::Coalesced(&stored), permit));
                }
                Landed::Shared(_) | Landed::Apart => return self.fetch(turn, asked, Some(known), None, permit).await,
                Landed::Failed(problem) => match self.stand_in(asked, known.stored.as_ref()) {
                    Some(stale) => return Ok(stale),
                    // One of those who wait asks once more, for all.
                    None if failures == 0 => failures += 1,
                    None => return Err(problem),
                },
                Landed::Vacant => {}
            }
        }
    }

    /// Whether another's answer is this request's too.
    fn fits(&self, asked: &Asked<'_>, stored: &Stored) -> bool {
        let is_its = asked.meeting_point().is_some_and(|key| stored.is_for(key, asked));
        is_its && stored.standing(asked, self.now()) == Standing::Fresh
    }

    /// What is kept for a request; `None` when that cannot be known.
    async fn look_up(&self, asked: &Asked<'_>) -> Option<Known> {
        let primaries: Vec<&Key> = asked.keys().collect();
        let names: Vec<&str> = primaries.iter().map(|key| key.as_str()).collect();
        let found = self.shelf.look_up(&names, &asked.tags).await?;
        let mut meeting: Key = (*primaries.first()?).clone();
        let mut answers: Vec<Option<Box<Stored>>> = Vec::with_capacity(primaries.len());
        let mut variants = Vec::new();
        for (at, value) in found.values.into_iter().enumerate() {
            answers.push(match value.and_then(codec::read) {
                Some(Kept::Answer(stored)) => Some(stored),
                Some(Kept::Names(names)) => {
                    variants.push((at, primaries[at].variant(&names, &asked.head.headers)));
                    None
                }
                None => None,
            });
        }
        if !variants.is_empty() {
            let names: Vec<&str> = variants.iter().map(|(_, key)| key.as_str()).collect();
            let found = self.shelf.look_up(&names, &[]).await?;
            for ((at, key), value) in variants.into_iter().zip(found.values) {
                if at == 0 {
                    meeting = key;
                }
                if let Some(Kept::Answer(stored)) = value.and_then(codec::read) {
                    answers[at] = Some(stored);
                }
            }
        }
        // Whatever stands under a key: an answer that is not for this very request is none.
        let its = primaries.iter().zip(answers).find_map(|(key, stored)| stored.filter(|s| s.is_for(key, asked)));
        Some(Known { stored: its.map(Arc::from), meeting, now: found.now, purged: found.purged })
    }

    /// What may be given when the upstream cannot answer: the breaker is open, nobody is there, it takes too long, or it
    /// failed.
    fn stand_in(&self, asked: &Asked<'_>, stored: Option<&Arc<Stored>>) -> Option<HttpResponse> {
        let stored = stored.filter(|stored| stored.may_stand_in(asked, self.now()))?;
        self.counters.stale_on_error.inc();
        Some(self.give(asked, stored, Source::Kept(stored, Some("stale-if-error")), ()))
    }

    fn hit(&self, asked: &Asked<'_>, stored: &Stored, permit: Permit) -> HttpResponse {
        self.counters.hit.inc();
        self.give(asked, stored, Source::Kept(stored, None), permit)
    }

    /// A kept answer as this client gets it.
    fn give<G: Unpin + 'static>(
        &self,
        asked: &Asked<'_>,
        stored: &Stored,
        source: Source<'_>,
        held: G,
    ) -> HttpResponse {
        let now = self.now();
        let mut answer = HttpResponse::new(stored.head.status);
        let headers = answer.headers_mut();
        stored.head.headers.iter().for_each(|(name, value)| headers.append(name.clone(), value.clone()));
        headers.insert(AGE, HeaderValue::from(stored.age(now).as_secs()));
        announce(headers, source, now);
        if conditions::has_it(&asked.head.headers, stored.head.status, headers) {
            return unchanged(answer.set_body(Replay::new(Bytes::new(), held)).map_into_boxed_body());
        }
        answer.set_body(Replay::new(stored.body.clone(), held)).map_into_boxed_body()
    }

    /// An answer as it came from the upstream.
    fn forwarded(&self, answer: &mut HttpResponse, reason: Forwarded, is_stored: bool) {
        let source = Source::Upstream(reason, answer.status(), is_stored);
        tags::strip(answer.headers_mut());
        announce(answer.headers_mut(), source, self.now());
    }
}

/// 304 in place of an answer that the client has already. The place that its body holds is held on.
fn unchanged(answer: HttpResponse) -> HttpResponse {
    let (mut answer, body) = answer.into_parts();
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    conditions::strip(answer.headers_mut());
    answer.set_body(Replay::new(Bytes::new(), body)).map_into_boxed_body()
}
