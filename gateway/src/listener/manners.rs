//! What a stream knows of the gateway: how to answer in the app's place, and how long clients are waited for.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use shared::clock::Clock;
use shared::problem::{self, CONTENT_TYPE_PROBLEM, Problem};

use crate::admin::metrics::ConnectionMetrics;

/// Request lines up to this size reach the app, whose refusal can say more. The parser's own limit is 64 KiB.
const LINE_AT_LEAST: usize = 32_768;

/// What the stream needs to answer in the app's place, and when not to.
pub struct Manners {
    clock: Clock,
    words: Words,
    /// How long clients are waited for.
    pub(super) patience: Patience,
    /// Who was not waited for any longer.
    pub(super) metrics: ConnectionMetrics,
}

/// What the configuration in force says, whichever that is at the time.
pub struct Words {
    /// The headers that every answer carries.
    pub headers: Box<dyn Fn() -> HeaderMap + Send + Sync>,
    /// Targets longer than this are refused by the app.
    pub url_bytes: Box<dyn Fn() -> usize + Send + Sync>,
}

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a head that has begun.
    pub head: Duration,
    /// For a body that is wanted.
    pub body: BodyPatience,
    /// For a client to take something of what is written.
    pub write: Duration,
}

/// How long a body is waited for.
#[derive(Clone, Copy, Debug)]
pub struct BodyPatience {
    /// For anything of it to come, and for all of it as long as little has; zero: for ever.
    pub timeout: Duration,
    /// So many bytes buy one second more; zero: one byte buys all the time there is.
    pub rate: u64,
}

impl Manners {
    /// For one listener.
    #[must_use]
    pub fn new(clock: Clock, words: Words, patience: Patience, metrics: ConnectionMetrics) -> Arc<Self> {
        Arc::new(Self { clock, words, patience, metrics })
    }

    /// A request line longer than this is refused before the parser is lost in it.
    pub(super) fn line_bytes(&self) -> usize {
        (self.words.url_bytes)().max(LINE_AT_LEAST)
    }

    /// The last answer on a connection, as it is sent.
    pub(super) fn answer(&self, problem: &Problem) -> Bytes {
        let request_id = uuid::Uuid::new_v4().simple().to_string();
        let context = problem::Context { instance: String::new(), request_id, clock: self.clock.clone() };
        let (body, status) = (problem.body(&context), problem.status());
        let headers = (self.words.headers)();
        let line = |(name, value): (&HeaderName, &HeaderValue)| Some(format!("{name}: {}\r\n", value.to_str().ok()?));
        let lines: String = headers.iter().filter_map(line).collect();
        let mut head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: {CONTENT_TYPE_PROBLEM}\r\n\
             cache-control: no-store\r\n{lines}x-request-id: {}\r\n",
            body.len(),
            context.request_id,
        );
        head.push_str(if status == StatusCode::SERVICE_UNAVAILABLE { "retry-after: 1\r\n\r\n" } else { "\r\n" });
        let mut answer = head.into_bytes();
        answer.extend_from_slice(&body);
        Bytes::from(answer)
    }
}
