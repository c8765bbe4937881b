//! Our side: accounts-service over HTTP, each request with a signed assertion and a key of its own.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use shared::auth::AUDIENCE_ACCOUNTS;
use tests::backends::free_port;
use uuid::Uuid;

use super::{ACCOUNTS, Spread};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::Requests;
use crate::postgres::Postgres;
use crate::server::{Server, ours};

/// Who owns all accounts (accounts.sql).
const OWNER: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

/// Who asks.
pub const fn owner() -> Uuid {
    OWNER
}

/// The system account that funds all others (accounts.sql).
pub const SYSTEM: u64 = 999_999_999_999;

/// Starts the service on `postgres`; its log is named by `name`.
pub async fn start(postgres: &Postgres, folder: &Path, secret: &str, name: &str) -> Result<Server, Failure> {
    let port = free_port()?;
    let mut command = service(&postgres.url, secret)?;
    command.arg("serve").env("TOLLGATE_ACCOUNTS__SERVER__LISTEN", format!("127.0.0.1:{port}"));
    Server::start(name, port, command, folder)?.answering("/readyz").await
}

/// The program with its settings; what it is to do is for the caller to say.
pub fn service(url: &str, secret: &str) -> Result<Command, Failure> {
    let mut command = ours("accounts-service")?;
    command.env("TOLLGATE_ACCOUNTS__DATABASE__URL", url);
    command.env("TOLLGATE_ACCOUNTS__IDENTITY__SECRET", secret);
    Ok(command)
}

/// One of the service's POST endpoints, called by the owner of all accounts.
pub fn endpoint(secret: &str, path: &'static str) -> Result<Rc<Endpoint>, Failure> {
    Endpoint::new(secret, AUDIENCE_ACCOUNTS, ("POST", path), Some(OWNER))
}

/// Writes a request under a key of its own.
pub fn post(endpoint: &Endpoint, body: &str, buffer: &mut Vec<u8>) {
    post_under(endpoint, &format!("{:032x}", rand::random::<u128>()), body, buffer);
}

/// Writes a request under this key.
pub fn post_under(endpoint: &Endpoint, key: &str, body: &str, buffer: &mut Vec<u8>) {
    endpoint.write(&format!("content-type: application/json\r\nidempotency-key: {key}\r\n"), body, buffer);
}

/// One transfer a request.
pub struct Single {
    pub endpoint: Rc<Endpoint>,
    pub spread: Spread,
}

impl Requests for Single {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        post(&self.endpoint, &order(self.spread), buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 201
    }
}

/// Many transfers a request.
pub struct Batch {
    pub endpoint: Rc<Endpoint>,
    pub size: u64,
}

impl Requests for Batch {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let orders = (0..self.size).map(|_| order(Spread::Uniform));
        post(&self.endpoint, &batch_of(orders), buffer);
    }

    /// Whether each of its items was posted is checked when the rows are counted.
    fn is_good(&self, status: u16) -> bool {
        status == 200
    }

    fn units(&self) -> u64 {
        self.size
    }
}

/// A batch of these orders, each on its own.
pub fn batch_of(orders: impl Iterator<Item = String>) -> String {
    let mut body = r#"{"mode":"independent","transfers":["#.to_owned();
    for (number, order) in orders.enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(body, "{}{order}", if number == 0 { "" } else { "," });
    }
    body + "]}"
}

fn order(spread: Spread) -> String {
    let (from, to) = match spread {
        Spread::Uniform => {
            let from = rand::random_range(1..=ACCOUNTS);
            let other = rand::random_range(1..ACCOUNTS);
            (from, if other >= from { other + 1 } else { other })
        }
        Spread::Hot => (rand::random_range(2..=ACCOUNTS), 1),
        Spread::System => (rand::random_range(1..=ACCOUNTS), SYSTEM),
    };
    written(from, to, rand::random_range(1..=100))
}

/// The order of this number: always the same one.
pub fn order_of(number: u64) -> String {
    let from = number % ACCOUNTS + 1;
    written(from, from % ACCOUNTS + 1, 1)
}

/// The id of an account by its number.
pub fn account(number: u64) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

/// An order to move money between two accounts.
pub fn written(from: u64, to: u64, amount: u64) -> String {
    format!(
        r#"{{"debit_account_id":"{}","credit_account_id":"{}","amount":{amount},"currency":"USD"}}"#,
        account(from),
        account(to)
    )
}
