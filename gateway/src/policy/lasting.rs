//! Answers that last: tunnels and event streams. Their callers were let in once, so that each worker looks again, twice a
//! second, whether they still would be: by what was revoked, by the settings that hold now, and by what their issuer says.
//! When the gateway stops, they are told to come back elsewhere.

mod leave;
mod line;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use tokio::sync::Notify;

use super::authenticate::{Left, Means, Principal, TokenCache};
use crate::admin::metrics::lasting::Counters;
use crate::app::Gateway;
use crate::exchange::Exchange;
pub use leave::Leave;
use leave::{Doubt, Word};
use line::{Line, Slot, Turn};

/// A revocation bites within a second.
const PULSE: Duration = Duration::from_millis(500);

/// How long something goes on while whoever is asked cannot tell whether its caller's leave holds: an issuer that restarts
/// ends nothing.
const DOUBT: Duration = Duration::from_secs(10);

/// How long something goes on while its caller should be asked about, and is not: whatever keeps that from happening, what
/// nobody vouches for any more does not stay open.
const TURN: Duration = Duration::from_secs(30);

/// What is open on one worker.
pub struct Lasting {
    gateway: Arc<Gateway>,
    client: reqwest::Client,
    tokens: Rc<RefCell<TokenCache>>,
    open: RefCell<Vec<Weak<Live>>>,
    is_watched: Cell<bool>,
    line: Line,
}

/// Why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// One of the two sides has gone.
    Gone,
    /// The gateway stops.
    Stopping,
    /// The caller would not be let in any more.
    Revoked,
    /// Nothing was said for too long.
    Idle,
    /// It has lasted long enough.
    Old,
}

impl End {
    /// In one word, for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Stopping => "stopping",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Old => "old",
        }
    }
}

/// For how long something may last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Without a byte in either direction; `None`: for ever.
    pub idle: Option<Duration>,
    /// Altogether; `None`: for ever.
    pub life: Option<Duration>,
}

/// One open answer.
pub struct Live {
    leave: RefCell<Leave>,
    /// Since when it was asked in vain whether the leave holds.
    unsure: Cell<Option<Instant>>,
    /// Since when its caller has to be asked about, and was not.
    due: Cell<Option<Instant>>,
    /// Whether its caller is to be asked about, or is just being asked about.
    is_in_line: Cell<bool>,
    span: Span,
    begun: Instant,
    last: Cell<Instant>,
    end: Cell<Option<End>>,
    body: RefCell<Option<Waker>>,
    told: Notify,
}

impl Live {
    /// A byte has passed.
    pub fn touch(&self) {
        self.last.set(Instant::now());
    }

    /// Why it is to end, if it is. If not, `waker` is woken when that changes.
    pub fn poll_end(&self, waker: &Waker) -> Option<End> {
        let end = self.end.get();
        if end.is_none() {
            let mut body = self.body.borrow_mut();
            if body.as_ref().is_none_or(|known| !known.will_wake(waker)) {
                *body = Some(waker.clone());
            }
        }
        end
    }

    /// Waits until it is to end.
    pub async fn ended(&self) -> End {
        loop {
            if let Some(end) = self.end.get() {
                return end;
            }
            self.told.notified().await;
        }
    }

    /// It is to end. The first reason counts.
    pub fn end(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
            self.told.notify_one();
            if let Some(body) = self.body.take() {
                body.wake();
            }
        }
    }

    /// Why it has ended.
    #[must_use]
    pub fn reason(&self) -> End {
        self.end.get().unwrap_or(End::Gone)
    }

    /// Ends it if there is a reason to. `true`: somebody has to be asked whether there is.
    fn look(&self, gateway: &Gateway, now: Instant) -> bool {
        let word = self.leave.borrow_mut().judge(gateway);
        let is_unsure = word == Word::Unsure;
        self.due.set(self.due.get().or(Some(now)).filter(|_| is_unsure));
        self.unsure.set(self.unsure.get().filter(|_| is_unsure));
        // Who has been asked about in vain and waits for the next question is no more in doubt than before.
        let is_lost = is_over(Some(TURN), self.due.get(), now);
        self.heed(word, is_lost, gateway, now) && is_unsure
    }

    /// Somebody was asked, and this is what is known now.
    fn hear(&self, word: Word, gateway: &Gateway, now: Instant) {
        let is_unsure = word == Word::Unsure;
        self.due.set(is_unsure.then_some(now));
        self.unsure.set(self.unsure.get().or(Some(now)).filter(|_| is_unsure));
        let is_lost = is_over(Some(DOUBT), self.unsure.get(), now);
        self.heed(word, is_lost, gateway, now);
    }

    /// Whether it goes on. `is_lost`: nobody has confirmed the leave for too long.
    fn heed(&self, word: Word, is_lost: bool, gateway: &Gateway, now: Instant) -> bool {
        let reason = if gateway.is_closing() {
            Some(End::Stopping)
        } else if word == Word::Over || is_lost {
            Some(End::Revoked)
        } else if is_over(self.span.life, Some(self.begun), now) {
            Some(End::Old)
        } else {
            is_over(self.span.idle, Some(self.last.get()), now).then_some(End::Idle)
        };
        if let Some(end) = reason {
            self.end(end);
        }
        reason.is_none()
    }
}

/// Whether more time than `limit` has passed.
fn is_over(limit: Option<Duration>, since: Option<Instant>, now: Instant) -> bool {
    limit.zip(since).is_some_and(|(limit, since)| now.saturating_duration_since(since) > limit)
}

impl Lasting {
    /// Nothing is open. Whoever has to be asked is asked by `client`, and what they say is remembered among `tokens`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, client: reqwest::Client, tokens: Rc<RefCell<TokenCache>>) -> Rc<Self> {
        Rc::new(Self {
            gateway,
            client,
            tokens,
            open: RefCell::default(),
            is_watched: Cell::new(false),
            line: Line::default(),
        })
    }

    /// Keeps watch over one more.
    pub fn begin(self: &Rc<Self>, leave: Leave, span: Span) -> Rc<Live> {
        let now = Instant::now();
        let live = Rc::new(Live {
            leave: RefCell::new(leave),
            unsure: Cell::new(None),
            due: Cell::new(None),
            is_in_line: Cell::new(false),
            span,
            begun: now,
            last: Cell::new(now),
            end: Cell::new(None),
            body: RefCell::default(),
            told: Notify::new(),
        });
        self.open.borrow_mut().push(Rc::downgrade(&live));
        if !self.is_watched.replace(true) {
            actix_web::rt::spawn(Rc::clone(self).watch());
        }
        live
    }

    /// For as long as anything is open.
    async fn watch(self: Rc<Self>) {
        while !self.open.borrow().is_empty() {
            tokio::time::sleep(PULSE).await;
            let now = Instant::now();
            self.line.pulse();
            self.open.borrow_mut().retain(|live| {
                let Some(live) = live.upgrade() else { return false };
                if live.look(&self.gateway, now) {
                    self.line.enter(&live);
                }
                true
            });
            while let Some((slot, turn)) = Slot::take(&self) {
                actix_web::rt::spawn(slot.ask(turn));
            }
        }
        self.is_watched.set(false);
    }

    /// Asks whoever vouches for a caller, and judges them by the answer.
    async fn ask_about(&self, turn: &Turn) {
        let (gateway, live) = (&self.gateway, &turn.live);
        let (signer, metrics) = (&gateway.signer, &gateway.metrics);
        let means = Means { tokens: &self.tokens, client: &self.client, signer, metrics, stranger: None };
        let word = loop {
            let doubt = live.leave.borrow().doubt();
            let Some(Doubt { issuers, shown, principal, generation }) = doubt else { return };
            let left = gateway.authenticator.renew(&issuers, &shown, &principal, &means).await;
            // They come up again with the next pulse, no more in doubt than before.
            if matches!(left, Left::Unasked) {
                return;
            }
            if let Some(word) = live.leave.borrow_mut().learn(left, generation) {
                break word;
            }
        };
        if word == Word::Unsure {
            turn.in_vain();
        }
        live.hear(word, gateway, Instant::now());
    }

    /// An answer that is a stream of events ends when its caller's right does, when it has lasted long enough, and when the
    /// gateway stops; clients come back by themselves (HTML, section 9.2).
    pub fn events(
        self: &Rc<Self>,
        answer: HttpResponse,
        span: Span,
        exchange: &Exchange<'_>,
        principal: Option<&Principal>,
    ) -> HttpResponse {
        if answer.body().size() != BodySize::Stream || !is_event_stream(answer.headers()) {
            return answer;
        }
        let live = self.begin(Leave::of(exchange, principal, &exchange.request.head().method), span);
        let counters = self.gateway.metrics.event_streams.clone();
        counters.begin();
        answer.map_body(|_, body| BoxBody::new(Events { body, live, counters }))
    }
}

/// Whether these are the headers of a stream of events.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let Some(kind) = headers.get(CONTENT_TYPE) else { return false };
    let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(EVENTS)
}

struct Events {
    body: BoxBody,
    live: Rc<Live>,
    counters: Counters,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.counters.ended(self.live.reason());
    }
}

impl MessageBody for Events {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.live.poll_end(context.waker()) {
            Some(_) => Poll::Ready(None),
            None => self.body.as_pin_mut().poll_next(context),
        }
    }
}
