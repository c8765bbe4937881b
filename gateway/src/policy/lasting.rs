//! Answers that last: tunnels and event streams. Their callers were let in once, so that each worker looks again, twice a
//! second, whether they still would be; and when the gateway stops, they are told to come back elsewhere.

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

use super::authenticate::Principal;
use super::authorize::has_role;
use crate::app::Gateway;
use crate::route::Route;

/// A revocation bites within a second.
const PULSE: Duration = Duration::from_millis(500);

/// What is open on one worker.
pub struct Lasting {
    gateway: Arc<Gateway>,
    open: RefCell<Vec<Weak<Live>>>,
    is_watched: Cell<bool>,
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
    principal: Option<Principal>,
    route: Arc<Route>,
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

    /// Whether there is a reason to end it.
    fn verdict(&self, gateway: &Gateway, now: Instant) -> Option<End> {
        let is_over =
            |limit: Option<Duration>, since| limit.is_some_and(|limit| now.saturating_duration_since(since) > limit);
        let may = |principal: &Principal| {
            let current = gateway.authenticator.recheck(principal);
            current.is_some_and(|current| has_role(&self.route, &current))
        };
        if gateway.is_closing() {
            Some(End::Stopping)
        } else if !self.principal.as_ref().is_none_or(may) {
            Some(End::Revoked)
        } else if is_over(self.span.life, self.begun) {
            Some(End::Old)
        } else {
            is_over(self.span.idle, self.last.get()).then_some(End::Idle)
        }
    }
}

impl Lasting {
    /// Nothing is open.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Rc<Self> {
        Rc::new(Self { gateway, open: RefCell::default(), is_watched: Cell::new(false) })
    }

    /// Keeps watch over one more.
    pub fn begin(self: &Rc<Self>, principal: Option<&Principal>, route: &Arc<Route>, span: Span) -> Rc<Live> {
        let now = Instant::now();
        let live = Rc::new(Live {
            principal: principal.cloned(),
            route: Arc::clone(route),
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
            self.open.borrow_mut().retain(|live| match live.upgrade() {
                Some(live) => {
                    if let Some(end) = live.verdict(&self.gateway, now) {
                        live.end(end);
                    }
                    true
                }
                None => false,
            });
        }
        self.is_watched.set(false);
    }

    /// An answer that is a stream of events ends when its caller's right does, and when the gateway stops; clients come
    /// back by themselves (HTML, section 9.2).
    pub fn events(
        self: &Rc<Self>,
        answer: HttpResponse,
        principal: Option<&Principal>,
        route: &Arc<Route>,
    ) -> HttpResponse {
        if answer.body().size() != BodySize::Stream || !is_event_stream(answer.headers()) {
            return answer;
        }
        let live = self.begin(principal, route, Span::default());
        answer.map_body(|_, body| BoxBody::new(Events { body, live }))
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
