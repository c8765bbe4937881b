//! The tagged cache in Redis: one script and one round trip for each call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Script;

use super::{Entry, LONGEST_LIFE, LookUp, Stamp};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::link::Link;

/// How much longer than needed a key lives under a manual clock, which alone then says what has expired.
const MANUAL_CLOCK_GRACE: Duration = Duration::from_secs(3_600);

/// See [`super::TaggedCache::Redis`].
#[derive(Clone, Debug)]
pub struct RedisTagged {
    link: Link,
    clock: Clock,
    deadline: Duration,
    /// What every name in this room starts with. The braces make the room one hash slot, so that a cluster too runs a
    /// script in one step.
    prefix: Arc<str>,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    look_up: Script,
    put: Script,
    purge: Script,
}

impl RedisTagged {
    pub(super) fn new(link: Link, clock: Clock, deadline: Duration, room: &str) -> Self {
        let prefix = link.key(&format!("{{tagged:{room}}}:")).into();
        let scripts = Scripts {
            look_up: Script::new(include_str!("look_up.lua")),
            put: Script::new(include_str!("put.lua")),
            purge: Script::new(include_str!("purge.lua")),
        };
        Self { link, clock, deadline, prefix, scripts: Arc::new(scripts) }
    }

    pub(super) async fn look_up(&self, keys: &[&str], tags: &[String]) -> Result<LookUp, StoreError> {
        let mut call = self.scripts.look_up.prepare_invoke();
        for key in keys {
            call.key(self.entry(key));
        }
        let now = if self.clock.is_manual() { self.clock.now_micros().to_string() } else { String::new() };
        call.arg(&*self.prefix).arg(LONGEST_LIFE.as_millis().to_string()).arg(now).arg(tags);
        let read = async |mut connection| call.invoke_async(&mut connection).await;
        let found: Vec<Option<Vec<u8>>> = self.link.call(self.deadline, read).await?;
        let mut found = found.into_iter();
        let (now, purged) = (stamp(found.next()), stamp(found.next()));
        let values: Vec<_> = found.map(|value| value.map(Bytes::from)).collect();
        match (now, purged) {
            (Some(now), Some(purged)) if values.len() == keys.len() => Ok(LookUp { values, now, purged }),
            _ => Err(StoreError::Unavailable("an odd answer from the cache script".to_owned())),
        }
    }

    pub(super) async fn put(&self, entry: Entry<'_>) -> Result<(), StoreError> {
        let millis = u64::try_from(entry.life().as_millis()).unwrap_or(0);
        if millis == 0 {
            return self.forget(entry.key).await;
        }
        let expires_at = self.clock.now_micros().saturating_add_unsigned(millis * 1_000);
        let grace = if self.clock.is_manual() { MANUAL_CLOCK_GRACE.as_secs() * 1_000 } else { 0 };
        let mut call = self.scripts.put.key(self.entry(entry.key));
        call.arg(&entry.value[..]).arg(entry.begun.0).arg(expires_at).arg(entry.tags.join("\n")).arg(millis + grace);
        self.link.call(self.deadline, async |mut connection| call.invoke_async(&mut connection).await).await
    }

    pub(super) async fn forget(&self, key: &str) -> Result<(), StoreError> {
        let key = self.entry(key);
        let forget = async |mut connection| redis::cmd("DEL").arg(&key).query_async(&mut connection).await;
        self.link.call(self.deadline, forget).await
    }

    pub(super) async fn purge(&self, tags: &[&str]) -> Result<(), StoreError> {
        let mut call = self.scripts.purge.prepare_invoke();
        call.key(format!("{}sequence", self.prefix));
        call.arg(&*self.prefix).arg(LONGEST_LIFE.as_millis().to_string()).arg(tags);
        self.link.call(self.deadline, async |mut connection| call.invoke_async(&mut connection).await).await
    }

    fn entry(&self, key: &str) -> String {
        [&self.prefix, "entry:", key].concat()
    }
}

/// A number of the sequence; it is below 2^53, which is exact in Lua too.
fn stamp(text: Option<Option<Vec<u8>>>) -> Option<Stamp> {
    std::str::from_utf8(&text??).ok()?.parse().ok().map(Stamp)
}
