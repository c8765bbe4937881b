//! Keys in Redis: each step one script and one round trip.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{FromRedisValue, Script, ScriptInvocation};

use super::{Claim, Digest, Found, Outcome};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::link::Link;

/// How much longer than needed a key lives under a manual clock, whose time may stand still while Redis's goes on.
const MANUAL_CLOCK_GRACE: Duration = Duration::from_secs(3_600);

/// See [`super::Idempotency::Redis`].
#[derive(Clone, Debug)]
pub struct RedisKeys {
    link: Link,
    clock: Clock,
    deadline: Duration,
    claim: Arc<Script>,
    settle: Arc<Script>,
}

impl RedisKeys {
    pub(super) fn new(link: Link, clock: Clock, deadline: Duration) -> Self {
        let (claim, settle) = (Script::new(include_str!("claim.lua")), Script::new(include_str!("settle.lua")));
        Self { link, clock, deadline, claim: Arc::new(claim), settle: Arc::new(settle) }
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Found, StoreError> {
        let mut call = self.begin(&self.claim, claim);
        call.arg(micros(claim.lease)).arg(micros(claim.keep)).arg(if claim.take_over { "1" } else { "" });
        let (word, outcome): (String, Option<Vec<u8>>) = match self.run::<Vec<Vec<u8>>>(&call).await?.as_slice() {
            [word] => (String::from_utf8_lossy(word).into_owned(), None),
            [word, outcome] => (String::from_utf8_lossy(word).into_owned(), Some(outcome.clone())),
            _ => return Err(odd()),
        };
        match (word.as_str(), outcome) {
            ("ours", None) => Ok(Found::Ours),
            ("running", None) => Ok(Found::Running),
            ("lapsed", None) => Ok(Found::Lapsed),
            ("other", None) => Ok(Found::Other),
            ("done", Some(outcome)) => Ok(Found::Done(Bytes::from(outcome))),
            _ => Err(odd()),
        }
    }

    pub(super) async fn settle(&self, claim: &Claim, outcome: &Outcome) -> Result<(), StoreError> {
        let mut call = self.begin(&self.settle, claim);
        call.arg(micros(claim.keep));
        match outcome {
            Outcome::Done(outcome) => call.arg("done").arg(&outcome[..]),
            Outcome::Unknown => call.arg("unknown"),
            Outcome::Free => call.arg("free"),
        };
        self.run::<u8>(&call).await.map(drop)
    }

    /// What both scripts are told first.
    fn begin<'a>(&self, script: &'a Script, claim: &Claim) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(self.key(&claim.key));
        if self.clock.is_manual() {
            call.arg(self.clock.now_micros()).arg(MANUAL_CLOCK_GRACE.as_millis().to_string());
        } else {
            call.arg("").arg("0");
        }
        call.arg(&claim.fingerprint[..]).arg(&claim.owner.to_be_bytes()[..]);
        call
    }

    /// The script goes by its hash (EVALSHA); a server that does not know it yet is told, once, on NOSCRIPT.
    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.link.call(self.deadline, async |mut connection| call.invoke_async(&mut connection).await).await
    }

    fn key(&self, digest: &Digest) -> String {
        self.link.key(&format!("idempotency:{}", hex::encode(digest)))
    }
}

/// Spans beyond what Lua counts exactly are as good as for ever.
fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).min(1 << 50)
}

fn odd() -> StoreError {
    StoreError::Unavailable("an odd answer from the script of claims".to_owned())
}
