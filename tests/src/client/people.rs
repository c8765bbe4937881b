//! Registered people, and the short verbs of the whole road: sign in, open, fund, pay.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, Client};

/// Everybody's password in tests; it passes every rule of the contract.
pub const PASSWORD: &str = "correct horse battery 9 staple";

/// Names are never used twice in one process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user's id.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// User name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Of the last sign-in.
    pub refresh_token: String,
    /// Calls with their access token.
    pub client: Client,
}

/// What a transfer moves. Unset members are not sent.
#[derive(Debug, Clone, Serialize)]
pub struct Transfer {
    /// From.
    pub debit_account_id: String,
    /// To.
    pub credit_account_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The client's own reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<String>,
}

impl Transfer {
    /// `amount` cents of US dollars.
    #[must_use]
    pub fn usd(debit: &str, credit: &str, amount: i64) -> Self {
        Self {
            debit_account_id: debit.to_owned(),
            credit_account_id: credit.to_owned(),
            amount,
            currency: "USD".to_owned(),
            external_ref: None,
        }
    }

    /// The same with the client's reference.
    #[must_use]
    pub fn reference(self, reference: &str) -> Self {
        Self { external_ref: Some(reference.to_owned()), ..self }
    }
}

/// A body that registers somebody new whose name begins with `name`.
#[must_use]
pub fn newcomer(name: &str) -> Value {
    let username = format!("{name}{}", NEXT.fetch_add(1, Ordering::Relaxed));
    json!({"email": format!("{username}@example.com"), "username": username, "password": PASSWORD})
}

/// A key nobody has used.
#[must_use]
pub fn fresh_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Client {
    /// Registers somebody new and signs them in.
    pub async fn register(&self, name: &str) -> Person {
        let body = newcomer(name);
        let created = self.nobody().post("/api/v1/users", &body).await.expect(201);
        let (email, username) = (super::text(&body, "/email"), super::text(&body, "/username"));
        self.sign_in(email, username, PASSWORD, created.text("/id")).await
    }

    /// Signs in somebody whose id is known.
    pub async fn sign_in(&self, email: &str, username: &str, password: &str, id: String) -> Person {
        let tokens = self.password_grant(email, password).await.expect(200);
        Person {
            id,
            email: email.to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
            refresh_token: tokens.text("/refresh_token"),
            client: self.with_token(tokens.text("/access_token")),
        }
    }

    /// The token endpoint's answer to a user name or e-mail and a password.
    pub async fn password_grant(&self, username: &str, password: &str) -> Answer {
        let fields = [("grant_type", "password"), ("username", username), ("password", password)];
        self.nobody().form("/api/v1/auth/token", &fields).await
    }

    /// The token endpoint's answer to a refresh token.
    pub async fn refresh_grant(&self, refresh_token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.nobody().form("/api/v1/auth/token", &fields).await
    }

    /// Posts a transfer under a key.
    pub async fn transfer(&self, key: &str, transfer: &Transfer) -> Answer {
        self.call(Method::POST, "/api/v1/transfers").key(key).json(transfer).send().await
    }

    /// Opens an account of the caller's; its id.
    pub async fn open(&self, name: &str, currency: &str) -> String {
        self.post("/api/v1/accounts", json!({"name": name, "currency": currency})).await.expect(201).text("/id")
    }

    /// Opens a system account, which may go below zero; its id. The caller is a treasurer.
    pub async fn open_system(&self, name: &str, currency: &str) -> String {
        let body = json!({"name": name, "currency": currency, "kind": "system"});
        self.post("/api/v1/accounts", body).await.expect(201).text("/id")
    }

    /// An account's balance.
    pub async fn balance(&self, account: &str) -> i64 {
        self.get(&format!("/api/v1/accounts/{account}")).await.expect(200).int("/balance")
    }

    /// Every entry of an account, oldest first by `seq`, following the cursor.
    pub async fn entries(&self, account: &str) -> Vec<Value> {
        let mut entries = self.pages(&format!("/api/v1/accounts/{account}/entries?limit=100")).await;
        entries.sort_by_key(|entry| entry["seq"].as_i64());
        entries
    }

    /// Every row of a cursor list; `path` already has a query.
    pub async fn pages(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{cursor}")).await.expect(200).json();
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page.pointer("/page/next_cursor").and_then(Value::as_str) {
                Some(next) if page["page"]["has_more"] == true => cursor = format!("&cursor={next}"),
                Some(_) | None => return rows,
            }
        }
    }
}

impl Person {
    /// Signs in again: a new session with the roles of now.
    pub async fn again(&self) -> Self {
        self.client.sign_in(&self.email, &self.username, &self.password, self.id.clone()).await
    }
}
