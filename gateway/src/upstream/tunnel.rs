//! A WebSocket between a client and an upstream: bytes pass both ways as they are; only where frames begin and end is
//! followed, so that whoever ends the tunnel can say goodbye between two of them.

mod frames;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::UPGRADE;
use reqwest::{StatusCode, Upgraded};
use shared::problem::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::Sleep;

use super::attempts;
use super::body::{Guards, Outgoing};
use super::convert;
use super::send::{Call, Incoming, Tools};
use crate::admin::metrics::lasting::Counters;
use crate::listener::Consent;
use crate::policy::in_flight::Permit;
use crate::policy::lasting::{End, Lasting, Leave, Live, Span};
use crate::policy::websocket::Place;
use frames::Frames;

/// Read from an upstream at once.
const PIECE: usize = 8_192;

/// How long a frame that is under way may take to end, when the tunnel is to end.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// What a tunnel is opened with.
pub struct Opening<'a> {
    /// Its place among the tunnels.
    pub place: Place,
    /// Who watches over it.
    pub lasting: &'a Rc<Lasting>,
    /// What the client was let in by.
    pub leave: Leave,
    /// How long it may last.
    pub span: Span,
    /// The client's connection.
    pub consent: Option<Consent>,
}

impl Call<'_> {
    /// Asks the upstream for a WebSocket, and connects the two when it agrees. Else its answer is the client's.
    ///
    /// # Errors
    /// As for any other call; 502 when it switches to something else.
    pub async fn tunnel(
        &self,
        tools: &Tools<'_>,
        payload: Payload,
        permit: Permit,
        opening: Opening<'_>,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        self.upstream.breaker.peek(Instant::now()).map_err(|open| self.upstream.refuse(open))?;
        let asked = self.upstream.concurrency.enter(self.priority)?;
        let answered = attempts::run(self, tools, Outgoing::none()).await?;
        drop(asked);
        if answered.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(self.answer(answered, permit));
        }
        drop(permit);
        let (headers, incoming, guards) = answered.split();
        let Incoming::Stream(response, _) = incoming else {
            return Err(Problem::internal("a switch of protocols with a body"));
        };
        let is_websocket = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"websocket");
        if !headers.get(UPGRADE).is_some_and(|value| is_websocket(value.as_bytes())) {
            return Err(Problem::unavailable(Code::BadGateway, "it switched to another protocol than a WebSocket"));
        }
        let upstream = self.deadline.hold(response.upgrade()).await?;
        let upstream = upstream.map_err(|error| Problem::unavailable(Code::BadGateway, error))?;
        let mut answer = HttpResponse::SwitchingProtocols().upgrade("websocket").finish();
        convert::response_headers(&headers, answer.headers_mut());
        let live = opening.lasting.begin(opening.leave, opening.span);
        let body = connect(upstream, payload, &live, Held { opening: (opening.place, opening.consent), guards }, tools);
        Ok(answer.set_body(body).map_into_boxed_body())
    }
}

/// What a tunnel holds while it is open.
struct Held {
    opening: (Place, Option<Consent>),
    guards: Guards,
}

fn connect(upstream: Upgraded, payload: Payload, live: &Rc<Live>, held: Held, tools: &Tools<'_>) -> Down {
    let (from, to) = tokio::io::split(upstream);
    actix_web::rt::spawn(up(payload, to, Rc::clone(live)));
    let ((place, consent), counters) = (held.opening, tools.metrics.tunnels.clone());
    counters.begin();
    Down {
        from,
        frames: Frames::default(),
        live: Rc::clone(live),
        stage: Stage::Open,
        last_frame: None,
        consent,
        counters,
        _place: place,
        _guards: held.guards,
    }
}

/// From the client to the upstream.
async fn up(mut payload: Payload, mut to: WriteHalf<Upgraded>, live: Rc<Live>) {
    let mut frames = Frames::default();
    let passing = async {
        while let Some(Ok(piece)) = payload.next().await {
            live.touch();
            to.write_all(&piece).await?;
            frames.follow(&piece);
            to.flush().await?;
        }
        Ok::<_, io::Error>(())
    };
    let end = tokio::select! {
        // A client that is gone has nothing to say any more.
        _ = passing => End::Gone,
        end = live.ended() => end,
    };
    live.end(end);
    let goodbye = async {
        if end != End::Gone && frames.may_begin() {
            to.write_all(&frames::masked_close(end)).await?;
        }
        to.shutdown().await
    };
    // Who does not take it is left without.
    let _ = tokio::time::timeout(LAST_FRAME, goodbye).await;
}

/// From the upstream to the client: the body of the answer that switched.
struct Down {
    from: ReadHalf<Upgraded>,
    frames: Frames,
    live: Rc<Live>,
    stage: Stage,
    /// The end of the time for a frame under way.
    last_frame: Option<Pin<Box<Sleep>>>,
    consent: Option<Consent>,
    counters: Counters,
    _place: Place,
    _guards: Guards,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Over,
}

impl Down {
    /// It is to end: a goodbye if there is a place for one, `None` while a frame is under way.
    fn poll_goodbye(&mut self, end: End, context: &mut Context<'_>) -> Option<Option<Bytes>> {
        if end != End::Gone && self.frames.may_begin() {
            self.stage = Stage::Over;
            return Some(Some(Bytes::from(frames::close(end))));
        }
        let sleep = self.last_frame.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_FRAME)));
        let is_late = sleep.as_mut().poll(context).is_ready();
        (end == End::Gone || is_late).then(|| {
            self.stage = Stage::Over;
            None
        })
    }
}

impl MessageBody for Down {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        if this.stage == Stage::Over {
            return Poll::Ready(None);
        }
        if let Some(end) = this.live.poll_end(context.waker())
            && let Some(last) = this.poll_goodbye(end, context)
        {
            return Poll::Ready(last.map(Ok));
        }
        let mut space = [0; PIECE];
        let mut piece = ReadBuf::new(&mut space);
        match Pin::new(&mut this.from).poll_read(context, &mut piece) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                this.live.touch();
                this.frames.follow(piece.filled());
                Poll::Ready(Some(Ok(Bytes::copy_from_slice(piece.filled()))))
            }
            // The upstream has ended it: the connection is closed at once, which is the side that clients wait for
            // (RFC 6455, section 7.1.1).
            Poll::Ready(Ok(()) | Err(_)) => {
                this.stage = Stage::Over;
                match &this.consent {
                    Some(consent) => {
                        consent.hang_up();
                        Poll::Pending
                    }
                    None => Poll::Ready(None),
                }
            }
        }
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        self.live.end(End::Gone);
        self.counters.ended(self.live.reason());
    }
}
