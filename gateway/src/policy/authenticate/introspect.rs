//! Asking an issuer about a token or a key that only it can read (RFC 7662), and remembering the answer for a while.
//!
//! One question at a time per credential: whoever comes meanwhile waits for the same answer. What is remembered is
//! bounded, and what is asked for often is not pushed out by what comes once (moka's TinyLFU), so a flood of invented
//! tokens costs the known ones nothing. An issuer that cannot be asked is 503, never 401. About what was never good
//! nobody may ask at will: see `stranger`.

mod answer;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, HeaderValue};
use sha2::{Digest, Sha256};
use shared::auth::{AUDIENCE_USERS, Caller, HEADER, Signer};
use shared::config::Secret;
use tokio::sync::Semaphore;

use super::fetch;
use super::verify::{Refusal, Rules};
use super::{Failure, Means, Verified, When};
use crate::config::Introspecting;

/// An answer is a few hundred bytes; more than this is not read.
const MAX_ANSWER: usize = 65_536;

/// How long an issuer that did not answer in time is left alone, in seconds.
const PAUSE: i64 = 1;

/// What was good is known as such for so many times as long as it is believed: asking about it again is no stranger's
/// question.
const KNOWN_FOR: u32 = 10;

/// The hash of a credential: the credential itself is not kept.
type Fingerprint = [u8; 32];

/// Who is asked, and as whom.
#[derive(Debug)]
pub enum Asking {
    /// An issuer, as one of its clients (RFC 6749, section 2.3.1).
    Client {
        /// Who we are there.
        id: String,
        /// And the proof; `None`: the endpoint asks for none.
        secret: Option<Secret>,
    },
    /// Our users-service, with an assertion of our own for this path.
    Gateway {
        /// The path of its endpoint.
        path: String,
    },
}

/// What an issuer said of a credential.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It holds.
    Active(Box<Verified>),
    /// It does not.
    Refused(Refusal),
    /// Nothing that could be understood, or nothing in time.
    Unavailable,
    /// It was not asked: it is being asked too much else.
    Crowded,
}

#[derive(Clone, Debug)]
struct Known {
    /// `None`: whoever was to ask was turned away. Others who have waited may.
    answer: Option<Answer>,
    /// In seconds since the epoch.
    asked_at: i64,
    until: i64,
    /// Whether it held when it was last told.
    was_good: bool,
}

/// One issuer that is asked.
#[derive(Debug)]
pub struct Introspector {
    /// As metrics and logs call it.
    name: String,
    url: String,
    asking: Asking,
    rules: Rules,
    settings: Introspecting,
    /// In seconds.
    remember: i64,
    remember_unknown: i64,
    known: Cache<Fingerprint, Known>,
    places: Semaphore,
    /// Those of the places that may be taken for callers who were let in before.
    rechecks: Semaphore,
    /// Until when it is left alone, in seconds since the epoch.
    paused_until: AtomicI64,
}

/// The hash that a credential is known by.
#[must_use]
pub fn fingerprint(credential: &str) -> Fingerprint {
    Sha256::digest(credential).into()
}

impl Introspector {
    /// For one endpoint.
    #[must_use]
    pub fn new(name: &str, url: String, asking: Asking, rules: Rules, config: &Introspecting) -> Self {
        let (remember, remember_unknown) = (config.remember.get(), config.remember_unknown.get());
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self {
            name: name.to_owned(),
            url,
            asking,
            rules,
            settings: config.clone(),
            remember: seconds(remember),
            remember_unknown: seconds(remember_unknown),
            known: Cache::builder()
                .max_capacity(config.capacity)
                // Only gives memory back: what an entry is worth is judged by our own clock.
                .time_to_live(remember.max(remember_unknown).max(Duration::from_secs(1)).saturating_mul(KNOWN_FOR))
                .build(),
            places: Semaphore::new(config.max_in_flight),
            rechecks: Semaphore::new((config.max_in_flight / 2).max(1)),
            paused_until: AtomicI64::new(0),
        }
    }

    /// Whether this asks the same of the same, as the same, and remembers it as long: then what it knows is not forgotten.
    #[must_use]
    pub fn does_for(&self, other: &Self) -> bool {
        let Self { name, url, asking, rules, settings, .. } = self;
        (name, url, rules, settings) == (&other.name, &other.url, &other.rules, &other.settings)
            && asking.is(&other.asking)
    }

    /// What the issuer says of `credential`, or said not long ago.
    ///
    /// # Errors
    /// Nobody was asked: too much is asked, or too much is asked by this one.
    pub(super) async fn about(&self, credential: &str, when: When, means: &Means<'_>) -> Result<Answer, Failure> {
        // Those who were let in before leave room for those who wait at the door. They wait here, where nobody who asks
        // about the same credential waits with them.
        let _share = if means.stranger.is_none() { self.rechecks.acquire().await.ok() } else { None };
        let stale = |known: &Known| known.answer.is_none() || known.until <= when.now || known.asked_at < when.since;
        let print = fingerprint(credential);
        loop {
            let known = self.known.get(&print).await;
            if let Some(Known { answer: Some(answer), .. }) = known.as_ref().filter(|known| !stale(known)) {
                return Ok(answer.clone());
            }
            let was_good = known.is_some_and(|known| known.was_good);
            // Who was good is no stranger, and needs no place among them.
            let _place = if was_good { None } else { means.admit()? };
            // Only whoever asks needs leave to; the others wait for the same answer.
            let turned_away = Cell::new(None);
            let asked = async {
                let leave = if was_good { Ok(()) } else { means.leave_to_ask().await };
                match leave {
                    Ok(()) => self.ask(credential, when.now, was_good, means).await,
                    Err(failure) => {
                        turned_away.set(Some(failure));
                        Known { answer: None, asked_at: when.now, until: when.now, was_good }
                    }
                }
            };
            let entry = self.known.entry(print).or_insert_with_if(asked, stale).await;
            match (entry.into_value().answer, turned_away.take()) {
                (_, Some(failure)) => return Err(failure),
                (Some(answer), None) => return Ok(answer),
                (None, None) => {}
            }
        }
    }

    /// Whether it is asked as `before` was.
    #[must_use]
    pub fn asks_as(&self, before: &Self) -> bool {
        let is_same = match (&self.asking, &before.asking) {
            // A new secret is the same client.
            (Asking::Client { id, .. }, Asking::Client { id: other, .. }) => id == other,
            (Asking::Gateway { path }, Asking::Gateway { path: other }) => path == other,
            (Asking::Client { .. }, Asking::Gateway { .. }) | (Asking::Gateway { .. }, Asking::Client { .. }) => false,
        };
        is_same && self.url == before.url && self.rules == before.rules
    }

    async fn ask(&self, credential: &str, now: i64, was_good: bool, means: &Means<'_>) -> Known {
        let started = Instant::now();
        let mut exchange = pin!(self.exchange(credential, now, means));
        // That many ask at once is no fault of the issuer's: whoever waits here in vain pauses nobody.
        let place = match self.is_paused(now) {
            true => None,
            false => {
                tokio::time::timeout(self.settings.timeout.get(), self.places.acquire()).await.ok().and_then(Result::ok)
            }
        };
        let (answer, outcome) = if self.is_paused(now) {
            (Answer::Unavailable, "paused")
        } else if place.is_none() {
            (Answer::Crowded, "crowded")
        } else {
            match tokio::time::timeout(self.settings.timeout.get(), &mut exchange).await {
                Ok(answer) => {
                    let outcome = answer.word();
                    (answer, outcome)
                }
                Err(_) => {
                    tracing::warn!(issuer = self.name, "introspection did not answer in time");
                    // From now on, and not from when this one came: they may have waited for longer than a pause.
                    let waited = i64::try_from(started.elapsed().as_secs()).unwrap_or(0);
                    self.paused_until.store(now + waited + PAUSE, Ordering::Release);
                    (Answer::Unavailable, "timeout")
                }
            }
        };
        means.metrics.introspected(&self.name, outcome, started.elapsed());
        let (until, was_good) = match &answer {
            Answer::Active(verified) => (verified.good_until, true),
            Answer::Refused(_) => (now + self.remember_unknown, false),
            Answer::Unavailable | Answer::Crowded => (now, was_good),
        };
        Known { answer: Some(answer), asked_at: now, until, was_good }
    }

    fn is_paused(&self, now: i64) -> bool {
        now < self.paused_until.load(Ordering::Acquire)
    }

    async fn exchange(&self, credential: &str, now: i64, means: &Means<'_>) -> Answer {
        let unavailable = |error: &dyn std::fmt::Display| {
            tracing::warn!(issuer = self.name, %error, "introspection failed");
            Answer::Unavailable
        };
        let form = [("token", credential), ("token_type_hint", self.asking.hint())];
        let request = means.client.post(&self.url).header(ACCEPT, "application/json").form(&form);
        let request = match self.asking.sign(request, means.signer) {
            Ok(request) => request,
            Err(error) => return unavailable(&error),
        };
        let answered = match request.send().await {
            Ok(answered) => answered,
            Err(error) => return unavailable(&error),
        };
        let status = answered.status();
        match fetch::body(answered, MAX_ANSWER).await {
            Ok(body) => self.read(status, &body, now),
            Err(error) => unavailable(&error),
        }
    }
}

impl Asking {
    fn is(&self, other: &Self) -> bool {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        match (self, other) {
            (Self::Client { id, secret }, Self::Client { id: other_id, secret: other_secret }) => {
                id == other_id && text(secret) == text(other_secret)
            }
            (Self::Gateway { path }, Self::Gateway { path: other }) => path == other,
            (Self::Client { .. }, Self::Gateway { .. }) | (Self::Gateway { .. }, Self::Client { .. }) => false,
        }
    }

    const fn hint(&self) -> &'static str {
        match self {
            Self::Client { .. } => "access_token",
            Self::Gateway { .. } => "api_key",
        }
    }

    fn sign(
        &self,
        request: reqwest::RequestBuilder,
        signer: &Signer,
    ) -> Result<reqwest::RequestBuilder, serde_json::Error> {
        match self {
            Self::Client { id, secret } if id.is_empty() && secret.is_none() => Ok(request),
            Self::Client { id, secret } => {
                let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                Ok(request.basic_auth(encode(id), secret.as_ref().map(|secret| encode(secret.expose()))))
            }
            Self::Gateway { path } => {
                let gateway = Caller { is_gateway: true, ..Caller::default() };
                let assertion = signer.sign(AUDIENCE_USERS, "POST", path, &gateway)?;
                Ok(request.headers(
                    HeaderValue::try_from(assertion).ok().into_iter().map(|value| (ASSERTION, value)).collect(),
                ))
            }
        }
    }
}

const ASSERTION: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static(HEADER);

impl Answer {
    /// What it is counted as.
    const fn word(&self) -> &'static str {
        match self {
            Self::Active(_) => "active",
            Self::Refused(_) => "refused",
            Self::Unavailable => "unavailable",
            Self::Crowded => "crowded",
        }
    }
}
