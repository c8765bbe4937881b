//! A client that signs its own assertions, as the gateway would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::{AUDIENCE_ACCOUNTS, Caller, HEADER, Signer, User};
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Permissions, Role, Roles, SessionId, UserId};

use crate::document;
use crate::stack::SECRET;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// One for each instance; they are asked in turn.
    bases: Vec<String>,
    turn: Arc<AtomicUsize>,
    signer: Signer,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// The answer, which must have this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

/// Somebody signed in.
pub fn someone(roles: &[Role]) -> User {
    let clock = Clock::system();
    User {
        id: UserId::generate(&clock),
        session: Some(SessionId::generate(&clock)),
        api_key: None,
        roles: roles.iter().copied().collect::<Roles>(),
        permissions: Permissions::NONE,
        scope: String::new(),
        ver: 1,
    }
}

pub fn user() -> User {
    someone(&[Role::User])
}

pub fn treasurer() -> User {
    someone(&[Role::User, Role::Treasurer])
}

/// A request's headers, as pairs.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// A client that asks these instances in turn.
    pub fn of(addrs: &[SocketAddr]) -> Self {
        Self::by(addrs, Clock::system())
    }

    /// Of services that go by `clock`.
    pub fn by(addrs: &[SocketAddr], clock: Clock) -> Self {
        let signer = Signer::new(&Secret::from(SECRET.to_owned()), clock).unwrap();
        let bases = addrs.iter().map(|addr| format!("http://{addr}")).collect();
        Self { http: reqwest::Client::new(), bases, turn: Arc::default(), signer }
    }

    pub async fn raw(
        &self,
        who: &User,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        body: Option<String>,
    ) -> Answer {
        let kind = if body.is_some() { "application/json" } else { "" };
        self.send(who, method, path, headers, (kind, body)).await
    }

    /// A POST of this media type; empty: of none.
    pub async fn typed(&self, who: &User, path: &str, kind: &str, body: &str) -> Answer {
        self.send(who, "POST", path, &[], (kind, Some(body.to_owned()))).await
    }

    async fn send(
        &self,
        who: &User,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        (kind, body): (&str, Option<String>),
    ) -> Answer {
        let caller = Caller { user: Some(who.clone()), ..Caller::default() };
        let bare = path.split('?').next().unwrap();
        let assertion = self.signer.sign(AUDIENCE_ACCOUNTS, method, bare, &caller).unwrap();
        let verb = method;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let base = &self.bases[self.turn.fetch_add(1, Ordering::Relaxed) % self.bases.len()];
        let mut request = self.http.request(method, format!("{base}{path}")).header(HEADER, assertion);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() };
        document::describes(verb, bare, &answer);
        answer
    }

    /// A GET whose body is still to be read.
    pub async fn begin(&self, who: &User, path: &str) -> reqwest::Response {
        let caller = Caller { user: Some(who.clone()), ..Caller::default() };
        let bare = path.split('?').next().unwrap();
        let assertion = self.signer.sign(AUDIENCE_ACCOUNTS, "GET", bare, &caller).unwrap();
        self.http.get(format!("{}{path}", self.bases[0])).header(HEADER, assertion).send().await.unwrap()
    }

    pub fn address(&self) -> &str {
        &self.bases[0]
    }

    pub async fn get(&self, who: &User, path: &str) -> Answer {
        self.raw(who, "GET", path, &[], None).await
    }

    pub async fn post(&self, who: &User, path: &str, headers: Headers<'_>, body: &Value) -> Answer {
        self.raw(who, "POST", path, headers, Some(body.to_string())).await
    }

    /// Opens an account and returns its id.
    pub async fn open(&self, who: &User, kind: &str) -> String {
        let body = json!({"name": "Account", "currency": "USD", "kind": kind});
        let opened = self.post(who, "/api/v1/accounts", &[], &body).await.expect(201);
        opened.json()["id"].as_str().unwrap().to_owned()
    }

    /// A transfer under a key.
    pub async fn transfer(&self, who: &User, key: &str, body: &Value) -> Answer {
        self.post(who, "/api/v1/transfers", &[("idempotency-key", key)], body).await
    }

    /// A user's account with money in it, from a fresh system account.
    pub async fn funded(&self, who: &User, amount: i64) -> String {
        let officer = treasurer();
        let (bank, account) = (self.open(&officer, "system").await, self.open(who, "user").await);
        self.transfer(&officer, &format!("fund-{account}"), &pay(&bank, &account, amount)).await.expect(201);
        account
    }

    pub async fn balance(&self, who: &User, account: &str) -> i64 {
        let shown = self.get(who, &format!("/api/v1/accounts/{account}")).await.expect(200);
        shown.json()["balance"].as_i64().unwrap()
    }
}

/// The body of a transfer in USD.
pub fn pay(debit: &str, credit: &str, amount: i64) -> Value {
    json!({"debit_account_id": debit, "credit_account_id": credit, "amount": amount, "currency": "USD"})
}
