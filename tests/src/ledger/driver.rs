//! Clients over HTTP: they send what they are given, write down what they learn, and never look twice.

mod scenery;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::auth::{AUDIENCE_ACCOUNTS, Caller as Vouched, HEADER, Signer, User};
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Permissions, Role as Granted, Roles};

use super::command::{Caller, Command, Request, Role};
use super::generator::Generator;
use super::history::{Answer, Ids, Recorder, Sketch, What, Worth};

pub use self::scenery::{Cast, set};

/// What a client does that does not know what became of its request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often it asks again under the same key.
    pub retries: usize,
    /// After how long.
    pub pause: Duration,
    /// Whether it sometimes lets it be.
    pub gives_up: bool,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Its status.
    pub status: u16,
    /// Whether it was a replay.
    pub replayed: bool,
    /// Its entity tag.
    pub tag: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// How a client shows who it is.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
#[derive(Debug, Clone)]
pub enum Badge {
    /// As the gateway would: by an assertion of its own making.
    Assertion(Signer),
    /// By the access token of whoever asks.
    Tokens(Arc<BTreeMap<String, String>>),
}

/// The way to the service.
#[derive(Debug, Clone)]
pub struct Door {
    http: reqwest::Client,
    bases: Arc<Vec<SocketAddr>>,
    next: Arc<AtomicUsize>,
    badge: Badge,
}

impl Door {
    /// To these processes, one after the other; whoever does not answer within `patience` has not answered.
    #[must_use]
    pub fn new(bases: Vec<SocketAddr>, badge: Badge, patience: Duration) -> Self {
        let http = reqwest::Client::builder().timeout(patience).no_proxy().build().expect("a plain client");
        Self { http, bases: Arc::new(bases), next: Arc::default(), badge }
    }

    /// A badge made with the secret that services share with their gateway.
    #[must_use]
    pub fn vouched(secret: &str) -> Badge {
        Badge::Assertion(Signer::new(&Secret::from(secret.to_owned()), Clock::system()).expect("a secret long enough"))
    }

    /// Sends a request; the error is what came instead of an answer.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn send(&self, request: &Request) -> Result<Raw, String> {
        let (method, target) = request.target();
        let key = request.key.as_deref().map(|key| ("idempotency-key", key));
        let seen = request.seen.as_ref().map(|seen| ("if-match", seen.tag.as_str()));
        let headers: Vec<_> = key.into_iter().chain(seen).collect();
        self.call(&request.who, (method, &target), &headers, request.body()).await
    }

    /// The same of any call below `/api/v1`.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn call(
        &self,
        who: &Caller,
        (method, target): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Raw, String> {
        let path = format!("/api/v1{target}");
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.bases.len().max(1);
        let base = self.bases.get(turn).ok_or("nobody to ask")?;
        let verb = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let mut call = self.http.request(verb, format!("http://{base}{path}"));
        call = match &self.badge {
            Badge::Assertion(signer) => {
                let bare = path.split('?').next().unwrap_or_default();
                let vouched = Vouched { user: Some(user(who)), ..Vouched::default() };
                let assertion = signer.sign(AUDIENCE_ACCOUNTS, method, bare, &vouched);
                call.header(HEADER, assertion.map_err(|error| error.to_string())?)
            }
            Badge::Tokens(tokens) => call.bearer_auth(tokens.get(&who.user).map_or("", String::as_str)),
        };
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        let replayed = answer.headers().get("idempotent-replayed").is_some();
        let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
        Ok(Raw { status, replayed, tag, body: body.to_vec() })
    }

    /// Sends a request and writes down what came of it.
    pub async fn ask(&self, recorder: &Recorder, request: &Request) -> Option<Answer> {
        let attempt = recorder.invoke(request);
        let what = match self.send(request).await {
            Err(why) => What::Unknown { why },
            Ok(raw) => learned(request, &raw),
        };
        let answer = match &what {
            What::Ok { answer, .. } | What::Fail { answer, .. } => Some(answer.clone()),
            What::Invoke { .. } | What::Unknown { .. } => None,
        };
        recorder.note(attempt, what);
        answer
    }

    /// Asks what `generator` says, for as long as `on` says so; what is unknown is asked again under its key.
    pub async fn drive(
        &self,
        recorder: &Recorder,
        generator: &mut Generator,
        patience: Patience,
        mut on: impl FnMut(u64) -> bool,
    ) {
        let mut asked = 0;
        while on(asked) {
            asked += 1;
            let request = generator.next_request();
            let mut answer = if generator.happens_in(25) {
                // Some send everything twice.
                let (one, other) =
                    futures_util::future::join(self.ask(recorder, &request), self.ask(recorder, &request)).await;
                one.or(other)
            } else {
                self.ask(recorder, &request).await
            };
            let retries = if patience.gives_up && generator.happens_in(10) { 0 } else { patience.retries };
            for _ in 0..retries {
                if answer.is_some() || request.key.is_none() {
                    break;
                }
                tokio::time::sleep(patience.pause).await;
                answer = self.ask(recorder, &request).await;
            }
            if let Some(answer) = answer {
                generator.learn(&request, &answer);
            }
        }
    }
}

fn user(who: &Caller) -> User {
    let roles: &[Granted] = match who.role {
        Role::Customer => &[Granted::User],
        Role::Treasurer => &[Granted::User, Granted::Treasurer],
        Role::Admin => &[Granted::User, Granted::Admin],
    };
    User {
        id: who.user.parse().expect("a user's id"),
        session: None,
        api_key: None,
        roles: roles.iter().copied().collect::<Roles>(),
        permissions: Permissions::NONE,
        scope: String::new(),
        ver: 1,
    }
}

/// What a status and a body mean to whoever asked.
fn learned(request: &Request, raw: &Raw) -> What {
    let Raw { status, replayed, tag, body: bytes } = raw;
    let (status, replayed) = (*status, *replayed);
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else {
        return What::Unknown { why: format!("{status} without JSON") };
    };
    let body = hex::encode(&Sha256::digest(bytes)[..16]);
    let code = json["code"].as_str().unwrap_or_default().to_owned();
    match status {
        200 | 201 => match done(request, (status, tag.as_deref()), &json) {
            Some(answer) => What::Ok { answer, replayed, body },
            None => What::Fail { answer: Answer::Refused { code: format!("nonsense {json}") }, replayed, body },
        },
        // Nobody knows yet, or it was not taken.
        408 | 429 | 500.. => What::Unknown { why: format!("{status} {code}") },
        409 if code == "idempotency_in_progress" => What::Unknown { why: code },
        _ if code == "batch_declined" => {
            let codes = results(&json).filter_map(|item| Some(item["problem"]["code"].as_str()?.to_owned())).collect();
            What::Fail { answer: Answer::Linked { codes }, replayed, body }
        }
        _ => What::Fail { answer: Answer::Refused { code }, replayed, body },
    }
}

fn results(json: &Value) -> impl Iterator<Item = &Value> {
    json["results"].as_array().into_iter().flatten()
}

fn done(request: &Request, (status, tag): (u16, Option<&str>), json: &Value) -> Option<Answer> {
    let id = |of: &Value| of["id"].as_str().map(str::to_owned);
    match &request.command {
        Command::Transfer(_) | Command::Post { .. } | Command::Void { .. } | Command::Reverse { .. }
            if request.dry_run =>
        {
            let untaken = status == 200 && json["id"].is_null() && json["created_at"].is_null();
            sketch(json).filter(|_| untaken).map(Answer::Would)
        }
        Command::Transfer(_) | Command::Post { .. } | Command::Void { .. } | Command::Reverse { .. } => {
            (status == 201).then_some(Answer::Made { id: id(json)? })
        }
        Command::Exchange(_) => exchanged(request.dry_run, status, json),
        Command::SetRate(_) => (status == 201).then_some(Answer::Made { id: id(json)? }),
        Command::Batch { .. } => {
            let made = if request.dry_run { 200 } else { 201 };
            let item = |item: &Value| match item["problem"]["code"].as_str() {
                Some(code) => Some(Err(code.to_owned())),
                None => (item["status"] == made).then(|| Ok(id(&item["transfer"]))),
            };
            Some(Answer::Each { items: results(json).map(item).collect::<Option<_>>()? })
        }
        Command::Step { .. } => Some(Answer::Stepped),
        Command::Look { .. } => Some(Answer::Looked {
            status: json["status"].as_str()?.to_owned(),
            remaining: json["remaining"].as_i64(),
            tag: tag?.to_owned(),
        }),
        Command::Balance { .. } => {
            Some(Answer::Balance { balance: json["balance"].as_i64()?, version: json["version"].as_i64()? })
        }
    }
}

fn sketch(json: &Value) -> Option<Sketch> {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    Some(Sketch {
        debit: text("debit_account_id")?,
        credit: text("credit_account_id")?,
        amount: json["amount"].as_i64()?,
        currency: text("currency")?,
        status: text("status")?,
    })
}

fn exchanged(dry_run: bool, status: u16, json: &Value) -> Option<Answer> {
    let text = |of: &Value| of.as_str().map(str::to_owned);
    let worth = Worth {
        rate_id: text(&json["rate_id"])?,
        rate: text(&json["rate"])?,
        paid: json["paid"]["amount"].as_i64()?,
        received: json["received"]["amount"].as_i64()?,
        remainder: text(&json["remainder"])?,
    };
    let [exchange, paid, received] = [&json["id"], &json["paid"]["id"], &json["received"]["id"]];
    if dry_run {
        let none = exchange.is_null() && paid.is_null() && received.is_null();
        return (status == 200 && none).then_some(Answer::Exchanged { ids: None, worth });
    }
    let ids = Ids { exchange: text(exchange)?, paid: text(paid)?, received: text(received)? };
    (status == 201).then_some(Answer::Exchanged { ids: Some(ids), worth })
}
