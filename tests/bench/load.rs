//! The load generator: a fixed number of connections, each sending its next request when the last was answered.

mod connection;
mod pacer;

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

pub use connection::Connection;

use self::pacer::Pacer;
use crate::failure::Failure;

/// Makes the requests of one run.
pub trait Requests {
    /// Writes the next whole request of connection `connection` into `buffer`, which is empty.
    fn write(&self, connection: usize, buffer: &mut Vec<u8>);

    /// Whether an answer is what was hoped for; any other ends the run.
    fn is_good(&self, status: u16) -> bool;

    /// Whether there is another request to make; a run ends when there is none, if its time does not end before.
    fn is_more(&self) -> bool {
        true
    }

    /// Hears of a good answer's body, for what the next request needs of it.
    fn answered(&self, _connection: usize, _body: &[u8]) {}

    /// How many units of work a good answer stands for.
    fn units(&self) -> u64 {
        1
    }
}

/// Always the same request, answered 200.
#[derive(Debug)]
pub struct Same(pub Vec<u8>);

impl Requests for Same {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.0);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200
    }
}

/// How much load, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// No request is begun after it; those in flight are waited for and counted.
    pub time: Duration,
    /// Requests a second of all connections together; `None`: as fast as the answers come.
    pub rate: Option<f64>,
}

impl Load {
    /// As fast as the answers come.
    pub fn closed(connections: usize, time: Duration) -> Self {
        Self { connections, time, rate: None }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Units of work that were acknowledged.
    pub units: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Of every request in microseconds, sorted.
    latencies: Vec<u32>,
}

impl Outcome {
    /// Units of work per second.
    pub fn rate(&self) -> f64 {
        self.units as f64 / self.took.as_secs_f64()
    }

    /// Requests answered.
    pub fn requests(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// The latency in microseconds that `share` of the requests did not exceed.
    pub fn latency(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().map_or(0.0, f64::from)
    }
}

/// Runs the load against `address`. Must be called on a current-thread runtime: nothing here is `Send`, which keeps it
/// cheap.
pub async fn run(address: &str, requests: Rc<dyn Requests>, load: Load) -> Result<Outcome, Failure> {
    let local = LocalSet::new();
    local.run_until(drive(address, requests, load)).await
}

async fn drive(address: &str, requests: Rc<dyn Requests>, load: Load) -> Result<Outcome, Failure> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(Connection::open(address).await?);
    }
    let pacer = load.rate.map(|rate| Rc::new(Pacer::start(rate, load.connections)));
    let start = Instant::now();
    let mut all = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        all.spawn_local(one(connection, number, Rc::clone(&requests), pacer.clone(), start + load.time));
    }
    let mut latencies = Vec::new();
    let mut units = 0;
    while let Some(ended) = all.join_next().await {
        let share = ended.map_err(|error| Failure::said(error.to_string()))??;
        units += share.len() as u64 * requests.units();
        latencies.extend(share);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    Ok(Outcome { units, took, latencies })
}

/// One connection's requests; their latencies in microseconds.
async fn one(
    mut connection: Connection,
    number: usize,
    requests: Rc<dyn Requests>,
    pacer: Option<Rc<Pacer>>,
    end: Instant,
) -> Result<Vec<u32>, Failure> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::new();
    while requests.is_more() && Instant::now() < end {
        if let Some(pacer) = &pacer {
            pacer.turn().await;
        }
        buffer.clear();
        requests.write(number, &mut buffer);
        let sent = Instant::now();
        let (status, body) = connection.exchange(&buffer).await?;
        if !requests.is_good(status) {
            return Err(Failure::said(format!("answered {status}: {}", String::from_utf8_lossy(body))));
        }
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        requests.answered(number, body);
    }
    Ok(latencies)
}
