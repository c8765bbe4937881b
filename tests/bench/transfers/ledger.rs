//! Our side: accounts-service over HTTP, each request with a signed assertion and a key of its own.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use shared::auth::{AUDIENCE_ACCOUNTS, Caller, HEADER, LIFETIME, Signer, User};
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Role, Roles, SessionId};
use tests::backends::{binary, free_port};
use uuid::Uuid;

use super::{ACCOUNTS, Spread};
use crate::failure::Failure;
use crate::load::Requests;
use crate::postgres::Postgres;
use crate::server::Server;

/// Who owns all accounts (accounts.sql).
const OWNER: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);
/// An assertion is used again for half its life: what signing costs is the gateway's affair.
const REUSE: Duration = Duration::from_secs(LIFETIME.as_secs() / 2);

/// Starts the service on `postgres`.
pub async fn start(postgres: &Postgres, folder: &Path, secret: &str) -> Result<Server, Failure> {
    let port = free_port()?;
    let mut command = Command::new(binary("accounts-service")?);
    command.arg("serve");
    command.env("TOLLGATE_ACCOUNTS__SERVER__LISTEN", format!("127.0.0.1:{port}"));
    command.env("TOLLGATE_ACCOUNTS__DATABASE__URL", &postgres.url);
    command.env("TOLLGATE_ACCOUNTS__IDENTITY__SECRET", secret);
    Server::start("accounts-service", port, command, folder)?.accepting().await
}

/// The owner of all accounts, as the gateway would vouch for them.
pub struct Owner {
    signer: Signer,
    caller: Caller,
    path: &'static str,
    held: RefCell<Option<(String, Instant)>>,
}

impl Owner {
    /// Calls one path.
    pub fn new(secret: &str, path: &'static str) -> Result<Rc<Self>, Failure> {
        let clock = Clock::system();
        let user = User {
            id: OWNER.into(),
            session: SessionId::generate(&clock),
            roles: [Role::User].into_iter().collect::<Roles>(),
            scope: String::new(),
            ver: 1,
        };
        let secret = Secret::from(secret.to_owned());
        let signer = Signer::new(&secret, clock).map_err(|error| Failure::said(error.to_string()))?;
        let caller = Caller { user: Some(user), client_ip: None };
        Ok(Rc::new(Self { signer, caller, path, held: RefCell::new(None) }))
    }

    /// Writes one POST of `body`.
    fn post(&self, body: &str, buffer: &mut Vec<u8>) {
        let mut held = self.held.borrow_mut();
        let fresh = held.take().filter(|(_, since)| since.elapsed() < REUSE).or_else(|| {
            let signed = self.signer.sign(AUDIENCE_ACCOUNTS, "POST", self.path, &self.caller).ok()?;
            Some((signed, Instant::now()))
        });
        let assertion = fresh.as_ref().map_or("", |(assertion, _)| assertion);
        let (path, key, length) = (self.path, rand::random::<u128>(), body.len());
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{HEADER}: {assertion}\r\nidempotency-key: {key:032x}");
        buffer.extend_from_slice(head.as_bytes());
        let rest = format!("\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        buffer.extend_from_slice(rest.as_bytes());
        *held = fresh;
    }
}

/// One transfer a request.
pub struct Single {
    pub owner: Rc<Owner>,
    pub spread: Spread,
}

impl Requests for Single {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        self.owner.post(&order(self.spread), buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 201
    }
}

/// Many transfers a request.
pub struct Batch {
    pub owner: Rc<Owner>,
    pub size: u64,
}

impl Requests for Batch {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let mut body = r#"{"mode":"independent","transfers":["#.to_owned();
        for number in 0..self.size {
            // Writing to a String cannot fail.
            let _ = write!(body, "{}{}", if number == 0 { "" } else { "," }, order(Spread::Uniform));
        }
        body += "]}";
        self.owner.post(&body, buffer);
    }

    /// Whether each of its items was posted is checked when the rows are counted.
    fn is_good(&self, status: u16) -> bool {
        status == 200
    }

    fn units(&self) -> u64 {
        self.size
    }
}

fn order(spread: Spread) -> String {
    let (from, to) = match spread {
        Spread::Uniform => {
            let from = rand::random_range(1..=ACCOUNTS);
            let other = rand::random_range(1..ACCOUNTS);
            (from, if other >= from { other + 1 } else { other })
        }
        Spread::Hot => (rand::random_range(2..=ACCOUNTS), 1),
    };
    let amount = rand::random_range(1..=100);
    let id = |number: u64| format!("00000000-0000-7000-8000-{number:012}");
    format!(r#"{{"debit_account_id":"{}","credit_account_id":"{}","amount":{amount},"currency":"USD"}}"#, id(from), id(to))
}
