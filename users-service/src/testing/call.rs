//! One call, with the assertion that the gateway would have sent.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use shared::auth::{AUDIENCE_USERS, Caller, HEADER, User};

use super::answer::Answer;
use super::person::Person;
use super::service::Running;

/// A call being put together.
pub struct Call<'a> {
    service: &'a Running,
    method: Method,
    path: String,
    caller: Caller,
    headers: Vec<(String, String)>,
    body: Option<(&'static str, Vec<u8>)>,
}

impl Running {
    /// A call by nobody.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let caller = Caller { client_ip: "192.0.2.7".parse().ok(), ..Caller::default() };
        Call { service: self, method, path: path.to_owned(), caller, headers: Vec::new(), body: None }
    }
}

impl Call<'_> {
    pub fn by(self, person: &Person) -> Self {
        self.user(person.user())
    }

    /// By somebody whom a test puts together itself.
    pub fn user(mut self, user: User) -> Self {
        self.caller.user = Some(user);
        self
    }

    /// By a gateway, for itself.
    pub fn gateway(mut self) -> Self {
        self.caller.is_gateway = true;
        self
    }

    /// By somebody whom another issuer vouches for.
    pub fn external(mut self, external: shared::auth::External) -> Self {
        self.caller.external = Some(external);
        self
    }

    /// From another address than everybody's.
    pub fn from(mut self, address: &str) -> Self {
        self.caller.client_ip = address.parse().ok();
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", body.to_string().into_bytes()));
        self
    }

    /// A JSON body that calls itself something else.
    pub fn body(mut self, kind: &'static str, body: &Value) -> Self {
        self.body = Some((kind, body.to_string().into_bytes()));
        self
    }

    /// A body that is no text.
    pub fn bytes(mut self, kind: &'static str, body: &[u8]) -> Self {
        self.body = Some((kind, body.to_vec()));
        self
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body =
            Some(("application/x-www-form-urlencoded", serde_urlencoded::to_string(fields).unwrap().into_bytes()));
        self
    }

    pub async fn send(self) -> Answer {
        let path = self.path.split('?').next().unwrap_or_default();
        let assertion = self.service.signer.sign(AUDIENCE_USERS, self.method.as_str(), path, &self.caller).unwrap();
        let url = format!("http://{}{}", self.service.addr, self.path);
        let mut request = self.service.http.request(self.method, url).header(HEADER, assertion);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some((kind, body)) = self.body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        Answer::read(request.send().await.unwrap()).await
    }
}
