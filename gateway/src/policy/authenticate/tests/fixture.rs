//! Issuers that the tests hold the keys of, a gateway's authentication without the gateway, and a stub to be asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use shared::config::Secret;
use shared::domain::{SessionId, UserId};
use shared::problem::Context;
use time::macros::datetime;

use super::super::keys::KeySet;
use super::super::*;
use crate::config::Config;

pub const OURS: &str = "https://issuer.example";
pub const CORP: &str = "https://corp.example/realms/staff";

/// A configuration of our issuer, with `more` laid over it.
pub fn config(more: &str) -> Config {
    let file = std::env::temp_dir().join(format!("tollgate-authenticate-{}.toml", uuid::Uuid::new_v4()));
    let text =
        format!("[authentication]\nissuer = \"{OURS}\"\ncool_down = \"50ms\"\nrefetch_timeout = \"100ms\"\n{more}\n");
    std::fs::write(&file, text).unwrap();
    let config = Config::load(Some(&file), &[]).unwrap();
    std::fs::remove_file(&file).unwrap();
    config
}

/// Somebody who signs tokens.
pub struct Issuer {
    pub clock: Clock,
    pub key: EncodingKey,
    pub kid: &'static str,
    pub typ: &'static str,
    pub claims: Value,
    pub user: UserId,
    pub session: SessionId,
}

impl Issuer {
    pub fn ours() -> Self {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        let (user, session) = (UserId::generate(&clock), SessionId::generate(&clock));
        let now = clock.now_seconds();
        let claims = json!({
            "iss": OURS, "aud": "tollgate", "sub": user, "sid": session, "iat": now, "nbf": now,
            "exp": now + 300, "jti": "j", "ver": 3, "roles": ["user", "admin", "wizard"], "scope": "read write",
        });
        Self { key: key(), kid: "k1", typ: "at+jwt", claims, user, session, clock }
    }

    /// As Keycloak and its like do it: other types, nested roles, names that are no ids of ours.
    pub fn corp(clock: &Clock) -> Self {
        let now = clock.now_seconds();
        let claims = json!({
            "iss": CORP, "aud": ["account", "payments"], "sub": "f:1:alice", "exp": now + 300, "iat": now,
            "typ": "Bearer", "azp": "spa", "scope": "openid payments",
            "realm_access": {"roles": ["realm-admin", "admin"]},
        });
        let (user, session) = (UserId::generate(clock), SessionId::generate(clock));
        Self { key: key(), kid: "c1", typ: "JWT", claims, user, session, clock: clock.clone() }
    }

    pub fn jwk(&self) -> Value {
        jwk(&self.key, Algorithm::EdDSA, self.kid)
    }

    pub fn header(&self) -> Header {
        Header { typ: Some(self.typ.to_owned()), kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::EdDSA) }
    }

    pub fn token(&self) -> String {
        self.signed(&self.header())
    }

    pub fn signed(&self, header: &Header) -> String {
        encode(header, &self.claims, &self.key).unwrap()
    }

    pub fn with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        encode(&self.header(), &claims, &self.key).unwrap()
    }
}

pub fn key() -> EncodingKey {
    EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
}

pub fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

pub fn key_set(keys: &[Value]) -> KeySet {
    let all = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), &all).unwrap()
}

/// What one worker authenticates with.
pub struct Gate {
    pub issuers: Arc<Issuers>,
    pub revoked: Arc<RevocationList>,
    pub metrics: Metrics,
    authenticator: Authenticator,
    tokens: RefCell<TokenCache>,
    client: reqwest::Client,
    signer: Signer,
}

impl Gate {
    pub fn new(clock: &Clock, config: &Config) -> Self {
        let revoked = Arc::new(RevocationList::new(clock.clone()));
        Self {
            issuers: Issuers::compile(config, None).unwrap(),
            authenticator: Authenticator::new(Arc::clone(&revoked), clock.clone()),
            revoked,
            metrics: Metrics::default(),
            tokens: RefCell::new(TokenCache::new(64)),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            signer: Signer::new(&Secret::from("s".repeat(32)), clock.clone()).unwrap(),
        }
    }

    /// Puts an issuer's keys in place, as a fetch does.
    pub fn knows(self, name: &str, keys: &[Value]) -> Self {
        self.keys(name).replace(key_set(keys));
        self
    }

    pub fn keys(&self, name: &str) -> Arc<Jwks> {
        Arc::clone(self.issuers.key_sets().find(|(known, _)| *known == name).unwrap().1)
    }

    /// Forgets what this worker has verified: another one would not know it either.
    pub fn forget(&self) {
        *self.tokens.borrow_mut() = TokenCache::new(64);
    }

    /// A request with these headers to a route that takes everybody.
    pub async fn ask(&self, headers: &[(&str, &str)], auth: Auth) -> Result<Option<Principal>, Problem> {
        self.ask_at(headers, auth, self.issuers.accepted(&[], false)).await
    }

    pub async fn ask_at(
        &self,
        lines: &[(&str, &str)],
        auth: Auth,
        accepted: Accepted,
    ) -> Result<Option<Principal>, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let (signer, metrics) = (&self.signer, &self.metrics);
        let means = Means { tokens: &self.tokens, client: &self.client, signer, metrics, stranger: None };
        self.authenticator.authenticate(&self.issuers, &headers, Need { auth, accepted }, means).await
    }

    /// The caller as they are now, for what lasts longer than a request.
    pub fn recheck(&self, principal: &Principal) -> Option<Principal> {
        match self.authenticator.recheck(principal) {
            Left::Holds(principal) => Some(principal),
            Left::Over | Left::Unsure | Left::Unasked => None,
        }
    }

    /// The caller once more, when their body is here.
    pub async fn once_more(&self, key: &str, principal: &Principal) -> Result<Principal, Problem> {
        let mut headers = HeaderMap::new();
        headers.append(HeaderName::from_static("x-api-key"), HeaderValue::from_str(key).unwrap());
        let (signer, metrics) = (&self.signer, &self.metrics);
        let means = Means { tokens: &self.tokens, client: &self.client, signer, metrics, stranger: None };
        self.authenticator.once_more(&self.issuers, &headers, principal, &means).await
    }

    pub async fn bearer(&self, token: &str) -> Result<Principal, Problem> {
        self.ask(&[("authorization", &format!("Bearer {token}"))], Auth::Required).await.map(Option::unwrap)
    }

    pub async fn api_key(&self, key: &str) -> Result<Principal, Problem> {
        self.ask(&[("x-api-key", key)], Auth::Required).await.map(Option::unwrap)
    }
}

/// Every challenge of a refusal, in its order.
pub fn challenges(problem: &Problem) -> Vec<String> {
    let answer = problem.response(&Context::current());
    answer.headers().get_all("www-authenticate").map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// What a stub answers.
#[derive(Clone, Debug)]
pub enum Play {
    Say(Value),
    Text(u16, String),
    /// Nothing, until the play changes.
    Hang,
}

/// The headers and the body of a request.
type Asked = (Vec<(String, String)>, String);

/// Somebody who is asked over HTTP: what was asked, and how often.
pub struct Stub {
    pub url: String,
    pub play: Arc<Mutex<Play>>,
    pub asked: Arc<AtomicUsize>,
    pub last: Arc<Mutex<Asked>>,
    server: actix_web::dev::ServerHandle,
}

impl Stub {
    pub fn start(first: Play) -> Self {
        let (play, asked, last) = (Arc::new(Mutex::new(first)), Arc::<AtomicUsize>::default(), Arc::default());
        let state = (Arc::clone(&play), Arc::clone(&asked), Arc::clone(&last));
        let server = HttpServer::new(move || {
            let (play, asked, last): (Arc<Mutex<Play>>, _, Arc<Mutex<Asked>>) = state.clone();
            App::new().default_service(web::to(move |request: HttpRequest, body: String| {
                let headers = request.headers().iter();
                let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
                *last.lock() = (headers.collect::<Vec<_>>(), body);
                asked.fetch_add(1, Ordering::SeqCst);
                let play = Arc::clone(&play);
                async move {
                    loop {
                        match play.lock().clone() {
                            Play::Say(value) => return HttpResponse::Ok().json(value),
                            Play::Text(status, text) => {
                                let status = actix_web::http::StatusCode::from_u16(status).unwrap();
                                return HttpResponse::build(status).body(text);
                            }
                            Play::Hang => {}
                        }
                        tokio::task::yield_now().await;
                    }
                }
            }))
        });
        let server = server.workers(1).shutdown_timeout(0).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, play, asked, last, server: handle }
    }

    pub fn say(&self, value: Value) {
        *self.play.lock() = Play::Say(value);
    }

    pub fn set(&self, play: Play) {
        *self.play.lock() = play;
    }

    pub fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn header(&self, wanted: &str) -> Option<String> {
        let last = self.last.lock();
        last.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(10), waited).await.is_ok(), "{what}");
}
