//! A cell's API as a coordinator hears it: done, definitely refused, or nobody knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::Side;
use crate::client::{Answer, Client};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something is asked again under its key while nobody knows, and after how long.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// What an answer means.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is done (or would be), and this is it.
    Done(Value),
    /// The ledger looked and refused, with this code. What that settles, the caller says.
    Refused(String),
    /// It may be done or not; nothing follows from it.
    Unknown,
}

/// The way to one cell.
#[derive(Debug)]
pub(super) struct Door {
    client: Client,
    /// Keys of this process: this, and a number. That a step is done once does not rest on them but on references and states: a
    /// refusal that is about ourselves (no treasurer, a frozen clearing account) stays with its key for ever.
    name: uuid::Uuid,
    next: AtomicU64,
}

impl Door {
    pub(super) fn to(side: &Side) -> Self {
        let client = Client::new(side.gateway).with_token(side.token.clone());
        Self { client, name: uuid::Uuid::new_v4(), next: AtomicU64::new(0) }
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str) -> Heard {
        self.ask(Method::GET, path, None, None).await
    }

    /// Asks whether something would be done, and does nothing.
    pub(super) async fn would(&self, body: &Value) -> Heard {
        self.ask(Method::POST, "/transfers?dry_run=true", None, Some(body)).await
    }

    /// Asks for something to be done, under a key of its own, again while nobody knows.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Heard {
        let key = format!("{}-{}", self.name, self.next.fetch_add(1, Ordering::Relaxed));
        for _ in 1..TRIES {
            match self.ask(Method::POST, path, Some(&key), Some(body)).await {
                Heard::Unknown => tokio::time::sleep(PAUSE).await,
                heard => return heard,
            }
        }
        self.ask(Method::POST, path, Some(&key), Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Heard {
        let mut call = self.client.call(method, &format!("/api/v1{path}"));
        if let Some(key) = key {
            call = call.key(key);
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        match tokio::time::timeout(PATIENCE, call.try_send()).await {
            Ok(Ok(answer)) => heard(&answer),
            Ok(Err(_)) | Err(_) => Heard::Unknown,
        }
    }
}

fn heard(answer: &Answer) -> Heard {
    match answer.status {
        200 | 201 => serde_json::from_slice(&answer.body).map_or(Heard::Unknown, Heard::Done),
        // Everything else, a missing role among it, says something of the caller or of the moment.
        404 | 409 | 422 => match answer.code() {
            Some(code) if code != "idempotency_in_progress" => Heard::Refused(code),
            Some(_) | None => Heard::Unknown,
        },
        _ => Heard::Unknown,
    }
}
