//! Asking the upstream, and what becomes of its answer: kept, confirmed, passed on, or replaced by a stale one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use shared::problem::{Code, Problem};

use super::asked::Asked;
use super::capture::{self, Found};
use super::draft::{self, Draft};
use super::entry::Stored;
use super::flight::Lead;
use super::key::Key;
use super::landing::Landing;
use super::status::{Forwarded, Source};
use super::turn::Turn;
use super::{Known, ResponseCache, conditions, unchanged};
use crate::policy::in_flight::Permit;

impl ResponseCache {
    /// Asks the upstream.
    pub(super) async fn fetch(
        &self,
        turn: &Turn<'_>,
        asked: &Asked<'_>,
        known: Option<Known>,
        lead: Option<Lead>,
        permit: Permit,
    ) -> Result<HttpResponse, Problem> {
        let stored = known.as_ref().and_then(|known| known.stored.clone());
        let asked_at = self.now();
        let mut answer = turn.ask(stored.as_deref(), permit).await;
        if let (Ok(said), Some(stored)) = (&answer, &stored)
            && said.status() == StatusCode::NOT_MODIFIED
            && asked.head.method == Method::GET
        {
            let confirmed = stored.confirmed(&draft::said(said.headers()), asked_at).filter(Stored::is_storable);
            if let Some(confirmed) = confirmed {
                return Ok(self.confirm(turn, asked, (known, lead), confirmed, answer?).await);
            }
            // It speaks of another answer than ours, or forbids ours: a whole one is needed.
            self.forget(asked, stored).await;
            answer = turn.ask(None, turn.worker.gateway.in_flight.enter(turn.tables.places)?).await;
        }
        match answer {
            Ok(answer) if !is_failure(answer.status()) => {
                Ok(self.take_in(turn, asked, (known, lead), answer, asked_at).await)
            }
            failed => {
                if let Some(lead) = lead {
                    tell(lead, &failed);
                }
                if let Some(stale) = self.stand_in(asked, stored.as_ref()) {
                    return Ok(stale);
                }
                self.counters.miss.inc();
                let mut answer = failed?;
                self.forwarded(&mut answer, asked.reason(stored.as_deref()), false);
                Ok(answer)
            }
        }
    }

    /// What is kept is still the current answer.
    async fn confirm(
        &self,
        turn: &Turn<'_>,
        asked: &Asked<'_>,
        (known, lead): (Option<Known>, Option<Lead>),
        confirmed: Stored,
        said: HttpResponse,
    ) -> HttpResponse {
        self.counters.revalidated.inc();
        let stored = Arc::new(confirmed);
        let source = Source::Upstream(Forwarded::Stale, StatusCode::NOT_MODIFIED, true);
        let cookies: Vec<HeaderValue> = said.headers().get_all(SET_COOKIE).cloned().collect();
        let mut answer = self.give(asked, &stored, source, said.into_body());
        cookies.into_iter().for_each(|cookie| answer.headers_mut().append(SET_COOKIE, cookie));
        let primary = asked.keys().find(|key| stored.is_for(key, asked)).cloned();
        if let Some((primary, known)) = primary.zip(known) {
            self.note_lifetime(&known.meeting, &stored);
            Landing::of(turn, asked, primary, known.now, lead).finish(stored).await;
        }
        answer
    }

    /// A new answer: kept if it may be, and on its way to the client in either case.
    async fn take_in(
        &self,
        turn: &Turn<'_>,
        asked: &Asked<'_>,
        (known, lead): (Option<Known>, Option<Lead>),
        answer: HttpResponse,
        asked_at: SystemTime,
    ) -> HttpResponse {
        self.counters.miss.inc();
        let reason = asked.reason(known.as_ref().and_then(|known| known.stored.as_deref()));
        let draft = Draft::of(asked, &answer, &turn.route.upstream.name, turn.call.forward, asked_at);
        let Some((draft, there)) = draft.zip(known.as_ref()) else {
            return self.pass(asked, (known, lead), answer, reason).await;
        };
        let (head, body) = answer.into_parts();
        let (begun, body) = match capture::take(body, asked.settings.limit) {
            Found::TooLarge(body) => return self.pass(asked, (known, lead), head.set_body(body), reason).await,
            Found::Whole(bytes, body) => {
                let primary = draft.primary.clone();
                let stored = Arc::new(draft.with(bytes));
                self.note_lifetime(&there.meeting, &stored);
                let answer = self.give(asked, &stored, Source::Upstream(reason, head.status(), true), body);
                Landing::of(turn, asked, primary, there.now, lead).finish(stored).await;
                return answer;
            }
            Found::Begun(begun, body) => (begun, body),
        };
        let has_it = conditions::has_it(&asked.head.headers, head.status(), head.headers());
        let mut landing = Landing::of(turn, asked, draft.primary.clone(), there.now, lead);
        landing.is_errand |= has_it;
        let mut answer = head.set_body(landing.follow(draft, begun, body)).map_into_boxed_body();
        self.forwarded(&mut answer, reason, true);
        if has_it { unchanged(answer) } else { answer }
    }

    /// An answer that is not kept.
    async fn pass(
        &self,
        asked: &Asked<'_>,
        (known, lead): (Option<Known>, Option<Lead>),
        mut answer: HttpResponse,
        reason: Forwarded,
    ) -> HttpResponse {
        self.forwarded(&mut answer, reason, false);
        lead.iter().for_each(Lead::release);
        if asked.head.method != Method::GET {
            return answer;
        }
        if let Some(known) = known {
            self.flights.keep_apart(&known.meeting);
            // Whatever is kept is not what the upstream says any more.
            if let Some(old) = &known.stored {
                self.forget(asked, old).await;
            }
        }
        // The upstream was not told what the client has.
        let has_it = conditions::has_it(&asked.head.headers, answer.status(), answer.headers());
        if has_it { unchanged(answer) } else { answer }
    }

    /// Answers that are stale at once are shared with nobody: it is not worth waiting for them.
    fn note_lifetime(&self, meeting: &Key, stored: &Stored) {
        if stored.lifetime().is_zero() {
            self.flights.keep_apart(meeting);
        }
    }

    async fn forget(&self, asked: &Asked<'_>, stored: &Stored) {
        if let Some(primary) = asked.keys().find(|key| stored.is_for(key, asked)) {
            self.shelf.forget(stored.key(primary)).await;
        }
    }
}

/// What those who wait hear of a call that failed. What the upstream said of it was said to one of them: the others hear
/// it in words of ours. Where the leader was shed, the next may be more important, and nobody has been asked.
fn tell(lead: Lead, failed: &Result<HttpResponse, Problem>) {
    match failed {
        Err(problem) if problem.code() == Code::Overloaded => {}
        Err(problem) => lead.fail(problem.clone()),
        Ok(answer) => {
            let patience = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            lead.fail(match answer.status() {
                StatusCode::SERVICE_UNAVAILABLE => {
                    Problem::new(Code::UpstreamUnavailable).retry_after(Duration::from_secs(patience.unwrap_or(1)))
                }
                StatusCode::GATEWAY_TIMEOUT => Problem::new(Code::GatewayTimeout),
                _ => Problem::new(Code::BadGateway),
            });
        }
    }
}

/// What counts as no answer where a stale one is allowed (RFC 5861, section 4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
