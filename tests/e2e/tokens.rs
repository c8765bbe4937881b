//! Forged tokens of every known kind open nothing; the control, signed by the trusted key, does.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::faults::{Play, Upstream};
use tests::stack::Service;
use tests::{Backend, Stack};

journeys!(forged_tokens);

const ISSUER: &str = "http://127.0.0.1:8080";
const PATH: &str = "/api/v1/accounts";

/// An issuer of our own that the gateway is told to trust.
struct Issuer {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl Issuer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("the same key");
        Self { public: pair.public_key().as_ref().to_vec(), pkcs8: pkcs8.as_ref().to_vec() }
    }

    fn jwks(&self) -> String {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1", "x": URL_SAFE_NO_PAD.encode(&self.public)});
        json!({"keys": [key]}).to_string()
    }

    /// With a header that a library does not make.
    fn sign_over(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8).expect("the same key");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes())))
    }

    fn sign(&self, kid: &str, typ: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), typ: Some(typ.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&self.pkcs8)).expect("signed")
    }
}

/// By a key of ours of another kind, under the known id.
fn with_elliptic_curve(claims: &Value) -> String {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new());
    let header = Header { kid: Some("k1".to_owned()), typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(key.expect("a key").as_ref())).expect("signed")
}

fn with_rsa(claims: &Value) -> String {
    let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'static> = key.as_der().expect("its form");
    let header = Header { kid: Some("k1".to_owned()), typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::RS256) };
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key")).expect("signed")
}

fn claims(changed: Value) -> Value {
    let (clock, now) = (Clock::system(), Clock::system().now().unix_timestamp());
    let id = || uuid::Uuid::from(shared::domain::UserId::generate(&clock)).to_string();
    let mut claims = json!({
        "iss": ISSUER, "aud": "tollgate", "sub": id(), "sid": id(), "jti": id(),
        "iat": now, "nbf": now, "exp": now + 300, "ver": 0, "roles": ["user"], "scope": "",
    });
    for (name, value) in changed.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(claims.as_object_mut().and_then(|claims| claims.remove(name))),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

fn forgeries(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let good = || claims(json!({}));
    let now = Clock::system().now().unix_timestamp();
    let signed = |changed: Value| issuer.sign("k1", "at+jwt", &claims(changed));
    let with_secret = |secret: &[u8]| {
        let header =
            Header { kid: Some("k1".to_owned()), typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &good(), &EncodingKey::from_secret(secret)).expect("signed")
    };
    let asking = |more: Value| {
        let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"});
        header
            .as_object_mut()
            .into_iter()
            .for_each(|header| header.extend(more.as_object().cloned().unwrap_or_default()));
        issuer.sign_over(&header, &good())
    };
    let valid = issuer.sign("k1", "at+jwt", &good());
    let (head, rest) = valid.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    let raised = URL_SAFE_NO_PAD.encode(claims(json!({"roles": ["admin"]})).to_string());
    vec![
        ("no algorithm", unsigned(&json!({"alg": "none", "typ": "at+jwt", "kid": "k1"}), &good(), b"")),
        ("no algorithm, another case", unsigned(&json!({"alg": "nOnE", "typ": "at+jwt", "kid": "k1"}), &good(), b"")),
        ("no signature", format!("{head}.{body}.")),
        ("a signature of another body", format!("{head}.{raised}.{signature}")),
        ("HS256 with the public key", with_secret(&issuer.public)),
        ("HS256 with the public key in base64url", with_secret(URL_SAFE_NO_PAD.encode(&issuer.public).as_bytes())),
        ("HS256 with the key set", with_secret(issuer.jwks().as_bytes())),
        ("HS256 with nothing", with_secret(b"")),
        ("another's key under the known id", Issuer::new().sign("k1", "at+jwt", &good())),
        (
            "another's key brought along",
            unsigned(&json!({"alg": "EdDSA", "typ": "at+jwt", "jwk": {"kty": "OKP"}, "kid": "k1"}), &good(), &[0; 64]),
        ),
        ("ES256 under the id of an Ed25519 key", with_elliptic_curve(&good())),
        ("RS256 under the id of an Ed25519 key", with_rsa(&good())),
        ("a header that has to be understood", asking(json!({"crit": ["exp"], "exp": 1}))),
        ("a payload that is not encoded", asking(json!({"crit": ["b64"], "b64": false}))),
        ("an ID token", issuer.sign("k1", "JWT", &claims(json!({"nonce": "n", "auth_time": now, "scope": null})))),
        ("an unknown key id", issuer.sign("k2", "at+jwt", &good())),
        ("another type", issuer.sign("k1", "JWT", &good())),
        ("an identity assertion's type", issuer.sign("k1", "ti+jwt", &good())),
        ("another issuer", signed(json!({"iss": "https://evil.example"}))),
        ("no issuer", signed(json!({"iss": null}))),
        ("another audience", signed(json!({"aud": "others"}))),
        ("no audience", signed(json!({"aud": null}))),
        ("expired", signed(json!({"exp": now - 60, "iat": now - 360, "nbf": now - 360}))),
        ("no expiry", signed(json!({"exp": null}))),
        ("not yet valid", signed(json!({"nbf": now + 600}))),
        ("no subject", signed(json!({"sub": null}))),
        ("a subject that is no id", signed(json!({"sub": "root"}))),
        ("an expiry that is no number", signed(json!({"exp": "tomorrow"}))),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{valid}.x")),
        ("nonsense", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
        ("very long", "x".repeat(16_000)),
    ]
}

async fn forged_tokens(backend: Backend) {
    let issuer = Issuer::new();
    let keys = Upstream::listen(Play::Answer(200)).await.expect("a port");
    keys.say(issuer.jwks());
    let stack = Stack::builder(backend)
        .set(Service::Gateway, "authentication.jwks_url", format!("http://{}/jwks.json", keys.addr))
        .set(Service::Gateway, "authentication.cool_down", "60s")
        .start()
        .await;
    let visitor = stack.client();
    let control = visitor.with_token(issuer.sign("k1", "at+jwt", &claims(json!({}))));
    drop(control.get(PATH).await.expect(200));
    for (name, token) in forgeries(&issuer) {
        let answer = visitor.with_token(token).get(PATH).await;
        assert_eq!(answer.status, 401, "{name}: {answer}");
        answer.problem(401, "token_invalid");
        assert!(answer.must("www-authenticate").contains("Bearer"), "{name}");
    }
    // What else of ours is a secret is no access token.
    let ann = stack.register("ann").await;
    let mailed = stack.mail(&ann.email, "Confirm your e-mail").await.token();
    for (name, other) in [("a refresh token", &ann.refresh_token), ("a mail's token", &mailed)] {
        let answer = visitor.with_token(other.as_str()).get(PATH).await;
        assert_eq!((answer.status, name), (401, name), "{answer}");
    }
    for odd in ["Bearer", "Bearer ", "Basic cm9vdDpyb290", "bearer", "Token x"] {
        let answer = visitor.call(Method::GET, PATH).header("authorization", odd).send().await;
        assert_eq!(answer.status, 401, "{odd}: {answer}");
        drop(answer.is_problem());
    }
    drop(control.get(PATH).await.expect(200));
    let fetched = keys.requests().iter().filter(|request| request.line.contains("jwks")).count();
    assert!(fetched <= 3, "unknown key ids do not make the gateway a client under remote control: {fetched} fetches");
}
