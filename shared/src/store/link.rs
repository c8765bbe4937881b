//! The process's connection to Redis: one multiplexed connection, and a supervisor that keeps replacing it when it breaks.
//!
//! redis-rs's `ConnectionManager` was rejected: it connects from whichever task calls first (so the driver lives on a
//! worker's runtime), makes callers wait while it reconnects, and does not notice a server that accepts and stays silent.
//! Here a caller either has a connection that was seen to answer, or gets an error at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::StoreError;

/// How long an attempt to connect may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// How long a heartbeat may take before the connection is given up.
const PROBE_DEADLINE: Duration = Duration::from_millis(250);
/// How often an idle connection is probed.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The pause between two attempts to connect starts here and doubles up to `BACKOFF_MAX`, with jitter.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Commands that may wait to be written; more callers wait for room, within their own deadline.
const PIPELINE: usize = 1_024;

/// A handle on the connection; clones share it. The supervisor ends with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Supervised>);

#[derive(Debug)]
struct Supervised {
    state: Arc<State>,
    supervisor: JoinHandle<()>,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

#[derive(Debug)]
struct State {
    client: Client,
    namespace: String,
    connection: ArcSwapOption<MultiplexedConnection>,
    /// Rung by a caller that saw the connection fail or stay silent.
    suspect: Notify,
    epoch: watch::Sender<u64>,
}

impl Link {
    /// Starts the supervisor on the current runtime; does not wait for a connection.
    pub fn open(url: &str, namespace: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|error| StoreError::Address(error.to_string()))?;
        let state = Arc::new(State {
            client,
            namespace: namespace.to_owned(),
            connection: ArcSwapOption::empty(),
            suspect: Notify::new(),
            epoch: watch::Sender::new(0),
        });
        let supervisor = tokio::spawn(supervise(Arc::clone(&state)));
        Ok(Self(Arc::new(Supervised { state, supervisor })))
    }

    /// Waits until the first connection answers, at most `patience`.
    pub async fn wait_until_up(&self, patience: Duration) {
        let mut epoch = self.epoch();
        let up = epoch.wait_for(|epoch| *epoch > 0);
        if timeout(patience, up).await.is_err() {
            tracing::warn!("Redis is not reachable yet; going on without it");
        }
    }

    /// A number that moves with every new connection and whenever the server's data turns out to be another's.
    pub fn epoch(&self) -> watch::Receiver<u64> {
        self.0.state.epoch.subscribe()
    }

    /// The key `name` in this link's namespace.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.0.state.namespace)
    }

    /// A connection of one's own, for commands that block. It has no response timeout.
    pub async fn dedicated(&self) -> Result<MultiplexedConnection, StoreError> {
        connect(&self.0.state.client).await
    }

    /// Runs `command` on the shared connection, for at most `deadline`.
    pub async fn call<T, F, R>(&self, deadline: Duration, command: F) -> Result<T, StoreError>
    where
        F: FnOnce(MultiplexedConnection) -> R,
        R: Future<Output = RedisResult<T>>,
    {
        let state = &self.0.state;
        let Some(connection) = state.connection.load_full() else {
            return Err(StoreError::Unavailable("not connected".to_owned()));
        };
        let answer = timeout(deadline, command(MultiplexedConnection::clone(&connection))).await;
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() {
                    // Only this very connection is dropped: the supervisor may have put a new one there already.
                    state.connection.compare_and_swap(&connection, None);
                    state.suspect.notify_one();
                }
                Err(unavailable(&error))
            }
            Err(_) => {
                state.suspect.notify_one();
                Err(StoreError::Timeout(deadline))
            }
        }
    }

    /// One round trip that changes nothing.
    pub async fn ping(&self, deadline: Duration) -> Result<(), StoreError> {
        self.call(deadline, async |mut connection| redis::cmd("PING").query_async(&mut connection).await).await
    }
}

/// The private text of a Redis error.
pub(super) fn unavailable(error: &RedisError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// The pause before attempt `failures + 1`.
pub(super) fn backoff(failures: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures.min(8)).min(BACKOFF_MAX);
    full / 2 + Duration::from_millis(rand::random_range(0..=u64::try_from(full.as_millis() / 2).unwrap_or(0)))
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, StoreError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_DEADLINE))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    match timeout(CONNECT_DEADLINE, client.get_multiplexed_async_connection_with_config(&config)).await {
        Ok(connected) => connected.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreError::Timeout(CONNECT_DEADLINE)),
    }
}

/// Connect, serve while it answers, again; until the task is aborted.
async fn supervise(state: Arc<State>) {
    let mut failures = 0;
    loop {
        match connect(&state.client).await {
            Ok(connection) => {
                if serve(&state, connection).await {
                    failures = 0;
                }
            }
            Err(error) => tracing::debug!(%error, "Redis is not reachable"),
        }
        state.connection.store(None);
        tokio::time::sleep(backoff(failures)).await;
        failures = failures.saturating_add(1);
    }
}

/// Offers `connection` to callers for as long as it answers probes; says whether it ever did.
async fn serve(state: &State, connection: MultiplexedConnection) -> bool {
    let mut known: Option<Identity> = None;
    loop {
        let answer = timeout(PROBE_DEADLINE, probe(&state.namespace, connection.clone())).await;
        let identity = match answer.map_err(|_| StoreError::Timeout(PROBE_DEADLINE)) {
            Ok(Ok(identity)) => identity,
            Ok(Err(error)) => return gave_up(known.is_some(), &unavailable(&error)),
            Err(error) => return gave_up(known.is_some(), &error),
        };
        if known.is_none() {
            tracing::info!("connected to Redis");
            state.connection.store(Some(Arc::new(connection.clone())));
        }
        if known.as_ref() != Some(&identity) {
            known = Some(identity);
            state.epoch.send_modify(|epoch| *epoch += 1);
        }
        // Whichever comes first: somebody had trouble, or it is time to look.
        let _ = timeout(HEARTBEAT, state.suspect.notified()).await;
        if state.connection.load().is_none() {
            return gave_up(true, &StoreError::Unavailable("a command failed".to_owned()));
        }
    }
}

/// Says why a connection is given up: loudly when it was in use, quietly when it never came to that.
fn gave_up(was_up: bool, why: &StoreError) -> bool {
    if was_up {
        tracing::warn!(%why, "the connection to Redis was lost");
    } else {
        tracing::debug!(%why, "Redis accepts connections and cannot be used");
    }
    was_up
}

/// Which data we are talking to: a marker that vanishes with the data, and the server process's own id.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    marker: String,
    run_id: String,
}

async fn probe(namespace: &str, mut connection: MultiplexedConnection) -> RedisResult<Identity> {
    let marker = marker(namespace, &mut connection).await?;
    // A managed Redis may refuse INFO; the marker then has to do.
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap_or_default();
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().to_owned();
    Ok(Identity { marker, run_id })
}

/// The random marker of this data set, written by whoever finds none.
async fn marker(namespace: &str, connection: &mut MultiplexedConnection) -> RedisResult<String> {
    let key = marker_key(namespace);
    let (marker,): (String,) = redis::pipe()
        .cmd("SET")
        .arg(&key)
        .arg(format!("{:032x}", rand::random::<u128>()))
        .arg("NX")
        .ignore()
        .cmd("GET")
        .arg(&key)
        .query_async(connection)
        .await?;
    Ok(marker)
}

fn marker_key(namespace: &str) -> String {
    format!("{namespace}:marker")
}

impl Link {
    /// The name of the key whose value changes when the server's data was lost.
    pub fn marker_key(&self) -> String {
        marker_key(&self.0.state.namespace)
    }
}
