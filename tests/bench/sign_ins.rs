//! Sign-ins per second against the raw rate of the same hash on all cores, and what a flood of them does to others.

use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::{Value, json};
use shared::auth::AUDIENCE_USERS;
use tests::say;
use uuid::Uuid;

use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Connection, Load, Outcome, Requests};
use crate::report::{Report, Row, Target, median};
use crate::server::Server;
use crate::stack;

/// Argon2id as users-service has it by default: KiB, passes, lanes.
const HASH: (u32, u32, u32) = (19_456, 2, 1);
/// Who signs in; different rows, so that they do not wait for one another's.
const USERS: usize = 16;
const CONNECTIONS: usize = 16;
/// A flood is so many times what the cores can hash.
const FLOOD: f64 = 10.0;
const FLOOD_CONNECTIONS: usize = 300;
/// Reads of others a second, while it goes on and while it does not.
const OTHERS: f64 = 200.0;
/// By then a worker without work has given its memory back.
const REST: Duration = Duration::from_secs(4);
const PASSWORD: &str = "plain-orchard-7-lantern";

/// Signs users in, in turn.
struct SignIns {
    endpoint: Rc<Endpoint>,
    /// Whether being turned away (503) is an answer to be content with.
    flood: bool,
}

impl Requests for SignIns {
    fn write(&self, connection: usize, buffer: &mut Vec<u8>) {
        self.endpoint.write("content-type: application/x-www-form-urlencoded\r\n", &form(connection), buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200 || (self.flood && status == 503)
    }
}

/// The sign-in of one of the users, in turn.
pub fn form(number: usize) -> String {
    format!("grant_type=password&username=bench{}&password={PASSWORD}", number % USERS)
}

/// Somebody who is signed in and looks at their own user.
struct Reads(Rc<Endpoint>);

impl Requests for Reads {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        self.0.write("", "", buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200
    }
}

/// Runs the comparison and adds its rows.
pub async fn compare(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let service = stack::users(folder, secret).await?;
    let reader = register(&service, secret).await?;
    let endpoint = Endpoint::new(secret, AUDIENCE_USERS, ("POST", "/api/v1/auth/token"), None)?;
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        raw.push(hash_rate(scale.round)?);
        let requests = Rc::new(SignIns { endpoint: Rc::clone(&endpoint), flood: false });
        ours.push(load::run(&service.address(), requests, Load::closed(CONNECTIONS, scale.round)).await?.rate());
        say(format!("  round {}: {:.0} sign-ins/s, {:.0} hashes/s", round + 1, ours[round], raw[round]));
    }
    let (raw, ours) = (median(raw), median(ours));
    report.rows.push(Row {
        what: "sign-ins per second, against the raw hash rate of the cores".to_owned(),
        ours: format!("{ours:.1}/s"),
        peer: format!("{raw:.1}/s"),
        value: Some(ours / raw),
        unit: "x",
        target: Target::Least(0.8),
    });
    flood(scale, &service, &endpoint, Reads(reader), raw, report).await
}

/// The p99 of others' reads, with and without a flood of sign-ins.
async fn flood(
    scale: Scale,
    service: &Server,
    endpoint: &Rc<Endpoint>,
    reads: Reads,
    raw: f64,
    report: &mut Report,
) -> Result<(), Failure> {
    let address = service.address();
    let reads: Rc<dyn Requests> = Rc::new(reads);
    let (mut calm, mut flooded) = (Vec::new(), Vec::new());
    let base = resident(service, &reads, scale).await?;
    for _ in 0..scale.rounds {
        let load = Load { connections: 4, time: scale.round, rate: Some(OTHERS) };
        calm.push(load::run(&address, Rc::clone(&reads), load).await?);
        let sign_ins = Rc::new(SignIns { endpoint: Rc::clone(endpoint), flood: true });
        let wave = Load { connections: FLOOD_CONNECTIONS, time: scale.round, rate: Some(FLOOD * raw) };
        let (wave, read) =
            tokio::join!(load::run(&address, sign_ins, wave), load::run(&address, Rc::clone(&reads), load));
        wave?;
        flooded.push(read?);
    }
    let p99 = |outcomes: &[Outcome]| median(outcomes.iter().map(|outcome| outcome.latency(0.99)));
    report.rows.push(Row {
        what: "others' p99 under a flood of ten times the sign-ins that can be hashed, against without".to_owned(),
        ours: format!("{:.0} us", p99(&flooded)),
        peer: format!("{:.0} us", p99(&calm)),
        value: Some(p99(&flooded) / p99(&calm)),
        unit: "x",
        target: Target::Most(2.0),
    });
    let permits = thread::available_parallelism()?.get() as f64;
    let (peak, memory) = (mib(service.processes()?.peak_kib()), mib(u64::from(HASH.0)));
    report.rows.push(Row {
        what: "memory of users-service in that flood, at most as many readers' and 19 MiB per hash at once".to_owned(),
        ours: format!("{peak:.0} MiB at its peak"),
        peer: format!("{base:.0} MiB with as many readers"),
        value: Some(peak),
        unit: "MiB",
        target: Target::Most((base + permits * memory).round()),
    });
    Ok(())
}

/// What it keeps resident while as many clients as a flood has only read, and no worker has memory to hash with.
async fn resident(service: &Server, reads: &Rc<dyn Requests>, scale: Scale) -> Result<f64, Failure> {
    tokio::time::sleep(REST).await;
    let load = Load { connections: FLOOD_CONNECTIONS, time: scale.round, rate: Some(OTHERS * 5.0) };
    load::run(&service.address(), Rc::clone(reads), load).await?;
    Ok(mib(service.processes()?.memory_kib().0))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Makes the users; the endpoint at which the first of them looks at their own user.
pub async fn register(service: &Server, secret: &str) -> Result<Rc<Endpoint>, Failure> {
    let endpoint = Endpoint::new(secret, AUDIENCE_USERS, ("POST", "/api/v1/users"), None)?;
    let mut connection = Connection::open(&service.address()).await?;
    let mut first = None;
    for number in 0..USERS {
        let body = json!({"email": format!("bench{number}@example.com"), "username": format!("bench{number}"), "password": PASSWORD});
        let mut request = Vec::new();
        endpoint.write("content-type: application/json\r\n", &body.to_string(), &mut request);
        let (status, body) = connection.exchange(&request).await?;
        if status != 201 {
            return Err(service.failed(&format!("registers nobody ({status}): {}", String::from_utf8_lossy(body))));
        }
        let user: Value = serde_json::from_slice(body)?;
        first = first.or_else(|| user.get("id")?.as_str()?.parse::<Uuid>().ok());
    }
    Endpoint::new(secret, AUDIENCE_USERS, ("GET", "/api/v1/users/me"), first)
}

/// Hashes a second on all cores, with their memory made beforehand.
fn hash_rate(time: Duration) -> Result<f64, Failure> {
    let cores = thread::available_parallelism()?.get();
    let start = Instant::now();
    let workers: Vec<_> = (0..cores).map(|_| thread::spawn(move || hash_until(start + time))).collect();
    let mut hashes = 0;
    for worker in workers {
        let done = worker.join().map_err(|_| Failure::said("a hashing thread panicked"))?;
        hashes += done.map_err(|error| Failure::said(error.to_string()))?;
    }
    Ok(f64::from(hashes) / start.elapsed().as_secs_f64())
}

fn hash_until(end: Instant) -> Result<u32, argon2::Error> {
    let (memory, passes, lanes) = HASH;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, lanes, None)?);
    let mut blocks = vec![Block::new(); argon2.params().block_count()];
    let mut hashes = 0;
    while Instant::now() < end {
        let mut hash = [0; 32];
        argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), b"a salt of bench.", &mut hash, &mut blocks)?;
        hashes += 1;
    }
    Ok(hashes)
}
