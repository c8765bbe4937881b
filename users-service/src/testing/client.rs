//! An OAuth client that an administrator has registered.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::browser::REDIRECT;
use super::call::Call;
use super::service::Running;

/// What it calls itself, and its secret if it has one.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: String,
    pub secret: Option<String>,
}

impl Running {
    /// A client as the body says.
    pub async fn client(&self, body: &Value) -> Registered {
        let admin = self.administrator().await;
        let made = self.call(Method::POST, "/api/v1/clients").by(&admin).json(body).send().await.expect(201).json();
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        Registered { id: text("id").unwrap(), secret: text("secret") }
    }

    /// One that acts for users, with a secret.
    pub async fn web_client(&self, scopes: &[&str]) -> Registered {
        let grants = ["authorization_code", "refresh_token"];
        let body = json!({"name": "Bookkeeper", "grant_types": grants, "scopes": scopes, "redirect_uris": [REDIRECT]});
        self.client(&body).await
    }

    /// One that acts for itself.
    pub async fn machine(&self, scopes: &[&str]) -> Registered {
        self.client(&json!({"name": "Machine", "grant_types": ["client_credentials"], "scopes": scopes})).await
    }

    /// The token endpoint's answer to these fields, sent by this client.
    pub async fn grant(&self, client: &Registered, fields: &[(&str, &str)]) -> Answer {
        self.call(Method::POST, "/api/v1/auth/token").shown_by(client).form(fields).send().await
    }

    /// A token of the client's own.
    pub async fn own_token(&self, client: &Registered) -> Answer {
        self.grant(client, &[("grant_type", "client_credentials")]).await
    }

    /// What there is to say of a token, asked by this client.
    pub async fn introspect(&self, client: &Registered, token: &str) -> Value {
        let call = self.call(Method::POST, "/api/v1/auth/introspect").shown_by(client);
        call.form(&[("token", token)]).send().await.expect(200).json()
    }
}

impl Call<'_> {
    /// With the client's id and secret, by HTTP Basic.
    pub fn shown_by(self, client: &Registered) -> Self {
        self.basic(&client.id, client.secret.as_deref().unwrap_or_default())
    }

    /// With these, by HTTP Basic.
    pub fn basic(self, id: &str, secret: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        self.header("authorization", format!("Basic {pair}"))
    }
}
