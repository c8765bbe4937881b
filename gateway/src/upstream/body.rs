//! Bodies in both directions. Small ones are held whole, which is faster; large ones are streamed piece by piece.

mod answer;
mod arriving;
mod progress;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Payload, RequestHead};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use shared::problem::{Code, Problem};
use tokio::sync::mpsc;

use crate::policy::second_look::Watch;
use crate::policy::shape;

pub use answer::{Answer, Cut, Guards};
pub use arriving::Arriving;
pub use progress::{Progress, Stage};

/// Pieces of a request body on their way between the worker's stream and the client's task.
const PIECES: usize = 4;

/// How long an unwanted body is waited for.
const PATIENCE: Duration = Duration::from_millis(50);

/// A request body for an upstream.
pub struct Outgoing {
    content: Content,
    /// The length of a streamed body, when the client said it; a held one knows its own.
    pub length: Option<u64>,
    /// How far a streamed body has come; `None`: it is here already.
    pub progress: Option<Arc<Progress>>,
}

/// What is sent.
enum Content {
    /// The request has no body.
    Nothing,
    /// It is here, and can be sent any number of times.
    Held(Bytes),
    /// It comes piece by piece, and can be sent once.
    Stream(reqwest::Body),
    /// It has been sent.
    Gone,
}

/// Why a streamed body ended before its end. Never shown: it only breaks the upstream's connection.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the body is larger than the route allows")]
    TooLarge,
    #[error("the client went away: {0}")]
    Client(PayloadError),
    #[error("the caller was revoked while it came")]
    Revoked,
}

impl Outgoing {
    /// Prepares the body: nothing, what is here already, a buffer up to `buffer` bytes, or a stream, in no case more than
    /// `limit` bytes. `watch`: who is looked at again with each further piece of a stream.
    ///
    /// # Errors
    /// 413 when it is too large already, 400 when it breaks off while it is being read.
    pub async fn prepare(
        body: Arriving,
        head: &RequestHead,
        (limit, buffer): (u64, u64),
        watch: Option<Watch>,
    ) -> Result<Self, Problem> {
        let announced = shape::check_length(head, limit)?;
        let payload = match body {
            Arriving::Held(bytes) if bytes.len() as u64 > limit => return Err(shape::too_large(limit)),
            Arriving::Held(bytes) if bytes.is_empty() => return Ok(Self::none()),
            Arriving::Held(bytes) => return Ok(Self::held(bytes)),
            Arriving::Coming(payload) => payload,
        };
        match announced {
            Some(0) => Ok(Self::none()),
            Some(length) if length <= buffer => {
                let capacity = usize::try_from(length).unwrap_or(0);
                Ok(Self::held(read(payload, capacity).await?))
            }
            None if !head.headers.contains_key(TRANSFER_ENCODING) => Ok(Self::none()),
            length => Self::stream(payload, limit, length, watch).await,
        }
    }

    /// No body.
    #[must_use]
    pub const fn none() -> Self {
        Self { content: Content::Nothing, length: None, progress: None }
    }

    /// A body that is here already.
    #[must_use]
    pub const fn held(body: Bytes) -> Self {
        Self { content: Content::Held(body), length: None, progress: None }
    }

    /// The body, if it is here; empty when there is none.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.content {
            Content::Nothing => Some(Bytes::new()),
            Content::Held(body) => Some(body.clone()),
            Content::Stream(_) | Content::Gone => None,
        }
    }

    /// What reqwest sends. A streamed body goes with the first call and is gone then.
    pub fn take(&mut self) -> Option<reqwest::Body> {
        match std::mem::replace(&mut self.content, Content::Gone) {
            Content::Nothing => {
                self.content = Content::Nothing;
                None
            }
            Content::Held(body) => {
                self.content = Content::Held(body.clone());
                Some(body.into())
            }
            Content::Stream(body) => Some(body),
            Content::Gone => None,
        }
    }

    /// `Payload` may not leave its thread, and reqwest's body must be able to: a small task hands over the pieces. The
    /// first one is waited for here, so that what is malformed from the start never reaches an upstream. No piece goes on
    /// of somebody who has been revoked, and where only the end says that it is one, neither does that: an upstream never
    /// has the whole of such a body.
    async fn stream(
        mut payload: Payload,
        limit: u64,
        length: Option<u64>,
        watch: Option<Watch>,
    ) -> Result<Self, Problem> {
        let first = match payload.next().await {
            None => return Ok(Self::none()),
            Some(Err(_)) => return Err(broken_off()),
            Some(Ok(first)) if first.len() as u64 > limit => return Err(shape::too_large(limit)),
            Some(Ok(first)) => first,
        };
        let progress = Arc::new(Progress::begun());
        let (sender, mut receiver) = mpsc::channel::<Result<Bytes, Broken>>(PIECES);
        let (told, mut left) = (Arc::clone(&progress), limit - first.len() as u64);
        actix_web::rt::spawn(async move {
            let stands = || watch.as_ref().is_none_or(Watch::stands);
            let mut next = Some(Ok(first));
            while let Some(piece) = next {
                told.enter(match &piece {
                    Ok(_) => Stage::AwaitsUpstream,
                    Err(Broken::TooLarge) => Stage::TooLarge,
                    Err(Broken::Client(_)) => Stage::BrokenOff,
                    Err(Broken::Revoked) => Stage::Revoked,
                });
                let ends = piece.is_err();
                // The receiver is gone when the upstream has answered or broken off.
                let unwanted = sender.send(piece).await.is_err();
                if ends {
                    return;
                }
                if unwanted {
                    break;
                }
                told.enter(Stage::AwaitsClient);
                next = match payload.next().await {
                    Some(_) if !stands() => Some(Err(Broken::Revoked)),
                    None if length.is_none() && !stands() => Some(Err(Broken::Revoked)),
                    piece => piece.map(|piece| {
                        let piece = piece.map_err(Broken::Client)?;
                        left = left.checked_sub(piece.len() as u64).ok_or(Broken::TooLarge)?;
                        Ok(piece)
                    }),
                };
            }
            told.enter(Stage::Over);
        });
        let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
        let content = Content::Stream(reqwest::Body::wrap_stream(pieces));
        Ok(Self { content, length, progress: Some(progress) })
    }

    /// How far the body has come.
    #[must_use]
    pub fn stage(progress: Option<&Arc<Progress>>) -> Stage {
        progress.map_or(Stage::Over, |progress| progress.stage())
    }
}

/// Reads a small body that nobody wants, so that the connection can be used again: a refusal should not cost the client
/// its connection. Larger ones are left, and the connection is closed.
pub async fn discard(body: Arriving, head: &RequestHead, buffer: u64) {
    let Arriving::Coming(mut payload) = body else { return };
    if shape::check_length(head, buffer).is_ok_and(|length| length.is_some_and(|length| length > 0)) {
        let drained = async { while let Some(Ok(_)) = payload.next().await {} };
        // Who announces a body and does not send it may wait for a new connection instead.
        let _ = tokio::time::timeout(PATIENCE, drained).await;
    }
}

/// 400: the client did not finish what it began to send.
pub fn broken_off() -> Problem {
    Problem::new(Code::MalformedRequest).detail("The body broke off, or its framing is malformed.")
}

async fn read(payload: Payload, capacity: usize) -> Result<Bytes, Problem> {
    let mut payload = pin!(payload);
    let mut next =
        async || poll_fn(|context| payload.as_mut().poll_next(context)).await.transpose().map_err(|_| broken_off());
    let Some(first) = next().await? else { return Ok(Bytes::new()) };
    if first.len() > capacity {
        return Err(broken_off());
    }
    if first.len() == capacity {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(capacity);
    whole.extend_from_slice(&first);
    while let Some(piece) = next().await? {
        // More than was announced: whoever framed it, this is not the body.
        if whole.len() + piece.len() > capacity {
            return Err(broken_off());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
