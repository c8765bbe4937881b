//! The way through Redis: a stream, read by each follower on a connection of its own.
//!
//! A blocking XREAD delivers as promptly as pub/sub would, and unlike it cannot lose what was said while the reader was
//! away; so there is one mechanism, not two. A reader that (re)connects, or finds that the data is another's, reads the
//! whole stream again: applying twice does no harm.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{MAX_LIFE, Revocation, RevocationList};
use crate::store::StoreError;
use crate::store::link::{Link, backoff, unavailable};

/// How long one read waits for news, in milliseconds; also how soon lost data is noticed.
const BLOCK_MS: u64 = 500;
/// A read that takes longer than this is on a dead connection.
const READ_DEADLINE: Duration = Duration::from_millis(1_500);
/// Entries per read.
const PAGE: usize = 1_000;
/// Where a stream begins.
const BEGINNING: &str = "0-0";

/// See [`super::Revocations::Redis`].
#[derive(Clone, Debug)]
pub struct RedisRevocations {
    link: Link,
    deadline: Duration,
    stream: String,
    publish: Arc<Script>,
}

impl RedisRevocations {
    pub(super) fn new(link: Link, deadline: Duration) -> Self {
        let stream = link.key("revocations");
        Self { link, deadline, stream, publish: Arc::new(Script::new(include_str!("publish.lua"))) }
    }

    pub(super) async fn publish(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let text = serde_json::to_string(revocation).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut call = self.publish.prepare_invoke();
        call.key(&self.stream).arg(MAX_LIFE.as_millis().to_string()).arg(text);
        let id: String =
            self.link.call(self.deadline, async |mut connection| call.invoke_async(&mut connection).await).await?;
        tracing::debug!(%id, "published a revocation");
        Ok(())
    }

    pub(super) fn follow(&self, list: Arc<RevocationList>) -> JoinHandle<()> {
        let reader = Reader { link: self.link.clone(), stream: self.stream.clone(), list };
        tokio::spawn(reader.run())
    }

    pub(super) fn epoch(&self) -> watch::Receiver<u64> {
        self.link.epoch()
    }
}

/// The task behind one followed list.
struct Reader {
    link: Link,
    stream: String,
    list: Arc<RevocationList>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.list.set_live(false);
    }
}

impl Reader {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let ended = match self.link.dedicated().await {
                Ok(connection) => self.read_on(connection, &mut failures).await,
                Err(error) => error,
            };
            self.list.set_live(false);
            tracing::debug!(error = %ended, "not following revocations");
            tokio::time::sleep(backoff(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Reads from the beginning, then whatever comes, until the connection fails.
    async fn read_on(&self, mut connection: MultiplexedConnection, failures: &mut u32) -> StoreError {
        let (mut last, mut known) = (BEGINNING.to_owned(), None);
        loop {
            let (news, marker) = match timeout(READ_DEADLINE, self.read(&mut connection, &last)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return error,
                Err(_) => return StoreError::Timeout(READ_DEADLINE),
            };
            *failures = 0;
            if known.replace(marker.clone()).is_some_and(|known| known != marker) {
                // Other data than we read from: its ids say nothing about ours.
                BEGINNING.clone_into(&mut last);
                continue;
            }
            let full = news.len() == PAGE;
            for (id, text) in news {
                self.take_in(&id, &text);
                last = id;
            }
            self.list.set_live(!full || self.list.is_live());
        }
    }

    /// One page of news, and the marker of the data it came from. At the beginning it does not wait.
    async fn read(&self, connection: &mut MultiplexedConnection, last: &str) -> Result<Page, StoreError> {
        let mut pipe = redis::pipe();
        // The marker first: data that changes while we wait for news then shows in the next read, never too early.
        pipe.cmd("GET").arg(self.link.marker_key());
        let read = pipe.cmd("XREAD").arg("COUNT").arg(PAGE);
        if last != BEGINNING || self.list.is_live() {
            read.arg("BLOCK").arg(BLOCK_MS);
        }
        read.arg("STREAMS").arg(&self.stream).arg(last);
        let (marker, reply): (Option<String>, Option<StreamReadReply>) =
            pipe.query_async(connection).await.map_err(|error| unavailable(&error))?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        let news = entries.map(|entry| {
            let text = entry.get::<String>("revocation").unwrap_or_default();
            (entry.id, text)
        });
        Ok((news.collect(), marker))
    }

    fn take_in(&self, id: &str, text: &str) {
        match serde_json::from_str::<Revocation>(text) {
            Ok(revocation) => self.list.apply(&revocation),
            // A newer release may say more than we understand; what we do understand must go on.
            Err(error) => tracing::error!(%id, %error, "a revocation that cannot be read"),
        }
    }
}

/// Entries as (id, JSON), and the marker of the data.
type Page = (Vec<(String, String)>, Option<String>);
