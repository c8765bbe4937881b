//! The cache in Redis.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::link::Link;

/// How much longer than needed a key lives under a manual clock, which alone then says what has expired.
const MANUAL_CLOCK_GRACE: Duration = Duration::from_secs(3_600);
/// Every value opens with the instant it expires at (microseconds since the epoch, big-endian), for that case.
const HEADER: usize = 8;

/// See [`super::Cache::Redis`].
#[derive(Clone, Debug)]
pub struct RedisCache {
    link: Link,
    clock: Clock,
    deadline: Duration,
}

impl RedisCache {
    pub(super) const fn new(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self { link, clock, deadline }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let key = self.key(key);
        let read = async |mut connection| redis::cmd("GET").arg(&key).query_async(&mut connection).await;
        let found: Option<Vec<u8>> = self.link.call(self.deadline, read).await?;
        Ok(found.map(Bytes::from).and_then(|stored| self.alive(&stored)))
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let key = self.key(key);
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).min(i64::MAX as u64 / 4_000);
        if millis == 0 {
            return self.delete_stored(&key).await;
        }
        let expires_at = self.clock.now_micros().saturating_add_unsigned(millis * 1_000);
        let mut stored = Vec::with_capacity(HEADER + value.len());
        stored.extend_from_slice(&expires_at.to_be_bytes());
        stored.extend_from_slice(value);
        let grace = if self.clock.is_manual() { MANUAL_CLOCK_GRACE.as_secs() * 1_000 } else { 0 };
        let write = async |mut connection| {
            redis::cmd("SET").arg(&key).arg(&stored).arg("PX").arg(millis + grace).query_async(&mut connection).await
        };
        self.link.call(self.deadline, write).await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.delete_stored(&self.key(key)).await
    }

    async fn delete_stored(&self, key: &str) -> Result<(), StoreError> {
        let forget = async |mut connection| redis::cmd("DEL").arg(key).query_async(&mut connection).await;
        self.link.call(self.deadline, forget).await
    }

    /// The value without its header. Redis's own expiry decides, except under a manual clock.
    fn alive(&self, stored: &Bytes) -> Option<Bytes> {
        let header: [u8; HEADER] = stored.get(..HEADER)?.try_into().ok()?;
        let expired = self.clock.is_manual() && i64::from_be_bytes(header) <= self.clock.now_micros();
        (!expired).then(|| stored.slice(HEADER..))
    }

    fn key(&self, name: &str) -> String {
        self.link.key(&format!("cache:{name}"))
    }
}
