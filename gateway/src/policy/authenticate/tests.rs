//! Which tokens hold: every forgery we can think of, the keys' rules, revocation, and an issuer that comes and goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::domain::{Role, SessionId, UserId};
use shared::problem::Context;
use shared::store::Revocation;
use time::macros::datetime;

use super::keys::KeySet;
use super::*;

struct Issuer {
    clock: Clock,
    key: EncodingKey,
    user: UserId,
    session: SessionId,
}

impl Issuer {
    fn new() -> Self {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        let key = EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref());
        Self { key, user: UserId::generate(&clock), session: SessionId::generate(&clock), clock }
    }

    fn jwk(&self) -> Value {
        jwk(&self.key, Algorithm::EdDSA, "k1")
    }

    fn claims(&self) -> Value {
        let now = self.clock.now_seconds();
        json!({
            "iss": "https://issuer.example", "aud": "tollgate", "sub": self.user, "sid": self.session, "iat": now, "nbf": now,
            "exp": now + 300, "jti": "j", "ver": 3, "roles": ["user", "admin", "wizard"], "scope": "read write",
        })
    }

    fn header(&self) -> Header {
        Header { typ: Some("at+jwt".to_owned()), kid: Some("k1".to_owned()), ..Header::new(Algorithm::EdDSA) }
    }

    fn token(&self) -> String {
        encode(&self.header(), &self.claims(), &self.key).unwrap()
    }

    fn with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        encode(&self.header(), &claims, &self.key).unwrap()
    }
}

fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn settings() -> Authentication {
    Authentication {
        issuer: "https://issuer.example".to_owned(),
        cool_down: Duration::from_millis(50).into(),
        ..crate::config::Config::load(None, &[]).unwrap().authentication
    }
}

fn key_set(keys: &[Value]) -> KeySet {
    let rules = Rules::compile(&settings());
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), &rules.pinned).unwrap()
}

fn authenticator(issuer: &Issuer) -> Authenticator {
    let config = settings();
    let keys = Jwks::new(&config, "http://127.0.0.1:9/".to_owned(), Rules::compile(&config).pinned);
    keys.replace(key_set(&[issuer.jwk()]));
    let revoked = Arc::new(RevocationList::new(issuer.clock.clone()));
    Authenticator::new(&config, keys, revoked, issuer.clock.clone())
}

async fn ask(
    authenticator: &Authenticator,
    authorization: Option<&str>,
    need: Auth,
) -> Result<Option<Principal>, Problem> {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    authenticator.authenticate(&RefCell::new(TokenCache::new(4)), &headers, need, &Metrics::default()).await
}

#[test]
fn a_good_token_says_who_calls() {
    let issuer = Issuer::new();
    let verified =
        Rules::compile(&settings()).verify(&issuer.token(), &key_set(&[issuer.jwk()]), issuer.clock.now_seconds());
    let user = verified.unwrap().user;
    assert_eq!((user.id, user.session, user.ver, user.scope.as_str()), (issuer.user, issuer.session, 3, "read write"));
    assert_eq!(user.roles, Roles::NONE.with(Role::User).with(Role::Admin), "unknown roles give nothing");
}

#[test]
fn forged_tokens_are_refused_each_for_its_reason() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let (rules, keys, now) = (Rules::compile(&settings()), key_set(&[issuer.jwk()]), issuer.clock.now_seconds());
    let signed = |header: Header| encode(&header, &issuer.claims(), &issuer.key).unwrap();
    let good = issuer.token();
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    // {"alg":"none","typ":"at+jwt","kid":"k1"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiazEifQ";
    let public = issuer.jwk()["x"].as_str().unwrap().to_owned();
    let confused = Header { alg: Algorithm::HS256, ..issuer.header() };
    let confused = encode(&confused, &issuer.claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap();
    for (what, token, expected) in [
        ("no signature at all", format!("{none}.{payload}."), Refusal::Malformed),
        ("the public key as an HMAC secret", confused, Refusal::WrongAlgorithm),
        ("another's key", encode(&issuer.header(), &issuer.claims(), &stranger.key).unwrap(), Refusal::WrongSignature),
        (
            "another's payload",
            format!("{head}.{}.{signature}", stranger.token().split('.').nth(1).unwrap()),
            Refusal::WrongSignature,
        ),
        ("no signature", format!("{head}.{payload}."), Refusal::WrongSignature),
        ("another issuer", issuer.with("iss", json!("https://evil.example")), Refusal::WrongIssuer),
        ("another audience", issuer.with("aud", json!("other")), Refusal::WrongAudience),
        ("an ID token", signed(Header { typ: Some("JWT".to_owned()), ..issuer.header() }), Refusal::WrongType),
        ("an assertion", signed(Header { typ: Some("ti+jwt".to_owned()), ..issuer.header() }), Refusal::WrongType),
        ("no type", signed(Header { typ: None, ..issuer.header() }), Refusal::WrongType),
        ("an unknown key", signed(Header { kid: Some("k9".to_owned()), ..issuer.header() }), Refusal::UnknownKey),
        ("no key id", signed(Header { kid: None, ..issuer.header() }), Refusal::UnknownKey),
        (
            "a critical extension",
            signed(Header { crit: Some(vec!["x".to_owned()]), ..issuer.header() }),
            Refusal::Malformed,
        ),
        ("expired", issuer.with("exp", json!(now - 5)), Refusal::Expired),
        ("no expiry", issuer.with("exp", Value::Null), Refusal::Malformed),
        ("not yet", issuer.with("nbf", json!(now + 6)), Refusal::NotYetValid),
        ("no subject", issuer.with("sub", Value::Null), Refusal::Malformed),
        ("no issuer", issuer.with("iss", Value::Null), Refusal::Malformed),
        ("no audience", issuer.with("aud", Value::Null), Refusal::Malformed),
        ("no session", issuer.with("sid", Value::Null), Refusal::Malformed),
        ("not a token", "a.b".to_owned(), Refusal::Malformed),
    ] {
        assert_eq!(rules.verify(&token, &keys, now).unwrap_err(), expected, "{what}");
    }
    assert!(rules.verify(&issuer.with("exp", json!(now - 4)), &keys, now).is_ok(), "within the leeway");
    assert!(rules.verify(&issuer.with("nbf", json!(now + 5)), &keys, now).is_ok(), "within the leeway");
    assert!(rules.verify(&issuer.with("aud", json!(["other", "tollgate"])), &keys, now).is_ok(), "one of several");
}

#[test]
fn a_key_serves_its_own_algorithm_only_and_odd_keys_are_left_out() {
    let issuer = Issuer::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ec = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let token = encode(&Header { alg: Algorithm::ES256, ..issuer.header() }, &issuer.claims(), &ec).unwrap();
    let (rules, now) = (Rules::compile(&settings()), issuer.clock.now_seconds());
    assert!(rules.verify(&token, &key_set(&[jwk(&ec, Algorithm::ES256, "k1")]), now).is_ok());
    assert_eq!(rules.verify(&token, &key_set(&[issuer.jwk()]), now).unwrap_err(), Refusal::WrongAlgorithm);

    let only_ed =
        KeySet::parse(json!({"keys": [jwk(&ec, Algorithm::ES256, "k1")]}).to_string().as_bytes(), &[Algorithm::EdDSA]);
    assert!(only_ed.unwrap().is_empty(), "the issuer is pinned to EdDSA");
    let changed = |key: &str, value: Value| {
        let mut jwk = issuer.jwk();
        jwk[key] = value;
        jwk
    };
    for odd in [
        changed("use", json!("enc")),
        changed("alg", json!("RS256")),
        changed("kty", json!("oct")),
        changed("crv", json!("X25519")),
        changed("kid", json!("")),
        json!({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}),
        json!(7),
        json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}),
    ] {
        assert!(key_set(std::slice::from_ref(&odd)).is_empty(), "{odd}");
    }
    assert!(KeySet::parse(b"{}", &rules.pinned).is_err());
}

#[actix_web::test]
async fn challenges_say_no_more_than_they_should() {
    let issuer = Issuer::new();
    let authenticator = authenticator(&issuer);
    let challenge = |problem: Problem| {
        let answer = problem.response(&Context::current());
        answer.headers().get("www-authenticate").unwrap().to_str().unwrap().to_owned()
    };
    for none in [None, Some("Basic dTpw"), Some("")] {
        let missing = ask(&authenticator, none, Auth::Required).await.unwrap_err();
        assert_eq!((missing.code(), challenge(missing).as_str()), (Code::TokenRequired, "Bearer realm=\"tollgate\""));
        assert!(ask(&authenticator, none, Auth::Optional).await.unwrap().is_none());
    }
    let bad = ask(&authenticator, Some("Bearer x.y.z"), Auth::Optional).await.unwrap_err();
    let expected =
        "Bearer realm=\"tollgate\", error=\"invalid_token\", error_description=\"The token is not well-formed.\"";
    assert_eq!((bad.code(), challenge(bad).as_str()), (Code::TokenInvalid, expected));
    assert!(ask(&authenticator, Some("Bearer x.y.z"), Auth::None).await.unwrap().is_none());
    assert!(ask(&authenticator, Some(&format!("bearer {}", issuer.token())), Auth::Required).await.unwrap().is_some());

    let twice =
        TestRequest::get().append_header((AUTHORIZATION, "Bearer a")).append_header((AUTHORIZATION, "Bearer b"));
    let cache = RefCell::new(TokenCache::new(4));
    let twice = authenticator
        .authenticate(&cache, twice.to_http_request().headers(), Auth::Required, &Metrics::default())
        .await;
    assert_eq!(twice.unwrap_err().code(), Code::MalformedRequest);
}

#[actix_web::test]
async fn revocation_bites_on_remembered_tokens_at_once() {
    let issuer = Issuer::new();
    let authenticator = authenticator(&issuer);
    let cache = RefCell::new(TokenCache::new(4));
    let request =
        TestRequest::get().insert_header((AUTHORIZATION, format!("Bearer {}", issuer.token()))).to_http_request();
    let metrics = Metrics::default();
    let ask = async || authenticator.authenticate(&cache, request.headers(), Auth::Required, &metrics).await;
    assert!(ask().await.unwrap().unwrap().roles.has(Role::Admin));

    let expires_at = issuer.clock.now() + Duration::from_secs(600);
    let roles = Roles::NONE.with(Role::User);
    authenticator.revoked.apply(&Revocation::Roles { user: issuer.user, ver: 4, roles, expires_at });
    let demoted = ask().await.unwrap().unwrap();
    assert_eq!((demoted.roles, demoted.user().roles), (roles, roles));
    authenticator.revoked.apply(&Revocation::Session { sid: issuer.session, expires_at });
    assert_eq!(ask().await.unwrap_err().code(), Code::TokenInvalid);
    assert!(metrics.encode().contains("token_cache_total{result=\"hit\"} 2"));

    issuer.clock.advance(Duration::from_secs(306));
    assert_eq!(ask().await.unwrap_err().code(), Code::TokenInvalid, "and a remembered token expires");
}

/// An issuer whose keys are served over HTTP, with a count of how often they were asked for.
fn serve(
    keys: Arc<parking_lot::Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
) -> (String, actix_web::dev::ServerHandle) {
    let server = HttpServer::new(move || {
        let (keys, asked) = (Arc::clone(&keys), Arc::clone(&asked));
        App::new().default_service(web::to(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let body = keys.lock().clone();
            async move {
                body.map_or_else(|| HttpResponse::InternalServerError().finish(), |body| HttpResponse::Ok().json(body))
            }
        }))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (url, handle)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), waited).await.is_ok(), "{what}");
}

#[actix_web::test]
async fn the_keys_life() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let served = Arc::new(parking_lot::Mutex::new(None));
    let asked = Arc::new(AtomicUsize::new(0));
    let (url, server) = serve(Arc::clone(&served), Arc::clone(&asked));
    let config = settings();
    let keys = Jwks::new(&config, url, Rules::compile(&config).pinned);
    let fetching = Arc::clone(&keys);
    actix_web::rt::spawn(async move { fetching.run(&reqwest::Client::new()).await });
    let revoked = Arc::new(RevocationList::new(old.clock.clone()));
    let authenticator = Authenticator::new(&config, Arc::clone(&keys), revoked, old.clock.clone());
    let bearer = |issuer: &Issuer, kid: &str| {
        let header = Header { kid: Some(kid.to_owned()), ..issuer.header() };
        format!("Bearer {}", encode(&header, &issuer.claims(), &issuer.key).unwrap())
    };

    let none = ask(&authenticator, Some(&bearer(&old, "k1")), Auth::Required).await.unwrap_err();
    assert_eq!(none.code(), Code::KeysUnavailable, "no keys at all is our fault: 503");
    *served.lock() = Some(json!({"keys": [old.jwk()]}));
    until("retries at the start", async || keys.current().is_some()).await;
    assert!(ask(&authenticator, Some(&bearer(&old, "k1")), Auth::Required).await.is_ok());

    *served.lock() = Some(json!({"keys": [old.jwk(), jwk(&new.key, Algorithm::EdDSA, "k2")]}));
    until("an unknown key is fetched once", async || {
        ask(&authenticator, Some(&bearer(&new, "k2")), Auth::Required).await.is_ok()
    })
    .await;
    let before = asked.load(Ordering::SeqCst);
    for _ in 0..100 {
        assert!(ask(&authenticator, Some(&bearer(&new, "k9")), Auth::Required).await.is_err());
    }
    let fetches = asked.load(Ordering::SeqCst) - before;
    assert!(fetches < 20, "unknown keys cost {fetches} fetches for 100 requests");

    *served.lock() = None;
    keys.refetch().await;
    assert!(ask(&authenticator, Some(&bearer(&new, "k2")), Auth::Required).await.is_ok(), "old keys serve on");
    server.stop(false).await;
}
