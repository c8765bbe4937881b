//! A client of the gateway as a test wants it: short calls, whole answers, and people who hold accounts.

mod answer;
mod people;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

pub use self::answer::Answer;
pub use self::people::{PASSWORD, Person, Transfer, fresh_key, newcomer};

/// No answer of ours takes longer, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Whoever holds this token, or nobody.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// Nobody in particular, talking to the server at `addr`. Redirects are answers.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        let http = builder().build();
        Self { http: http.expect("a client without special settings"), base: format!("http://{addr}"), token: None }
    }

    /// The same over TLS, under this name, believing only the authority whose certificate (PEM) this is.
    #[must_use]
    pub fn over_tls(name: &str, addr: SocketAddr, authority: &str) -> Self {
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).expect("a certificate");
        let http = builder().tls_certs_only([authority]).resolve(name, addr).build();
        let base = format!("https://{name}:{}", addr.port());
        Self { http: http.expect("a client with one authority"), base, token: None }
    }

    /// The same connections with this access token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same connections, signed out.
    #[must_use]
    pub fn nobody(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The access token, if there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Any request to `path` (which may carry a query).
    pub fn call(&self, method: Method, path: &str) -> Call {
        let request = self.http.request(method, format!("{}{path}", self.base));
        Call(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// GET, sent.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    /// DELETE, sent.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// POST of JSON, sent.
    pub async fn post(&self, path: &str, body: impl Serialize) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    /// PUT of JSON, sent.
    pub async fn put(&self, path: &str, body: impl Serialize) -> Answer {
        self.call(Method::PUT, path).json(body).send().await
    }

    /// A merge patch, sent.
    pub async fn patch(&self, path: &str, body: impl Serialize) -> Answer {
        let patch = self.call(Method::PATCH, path).json(body).header("content-type", "application/merge-patch+json");
        patch.send().await
    }

    /// A form, sent.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Call(self.call(Method::POST, path).0.form(fields)).send().await
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy()
}

/// A request being put together.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call(reqwest::RequestBuilder);

impl Call {
    /// Sets a header, in place of one of that name.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name: reqwest::header::HeaderName = name.parse().expect("a header name");
        Self(self.0.headers([(name, value.parse().expect("a header value"))].into_iter().collect()))
    }

    /// Sets the idempotency key.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// A JSON body.
    pub fn json(self, body: impl Serialize) -> Self {
        Self(self.0.json(&body))
    }

    /// A body of any kind.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into())).header("content-type", content_type)
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it where the connection may break.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let (client, request) = self.0.build_split();
        let request = request?;
        let asked = format!("{} {}", request.method(), request.url().path());
        Answer::read(asked, client.execute(request).await?).await
    }
}

/// The text at a JSON pointer.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}
