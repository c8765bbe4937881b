//! The keys' life: issuers that come and go, keys that rotate, metadata that leads to them.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, encode};
use serde_json::json;

use super::fixture::*;
use super::*;

fn token(issuer: &Issuer, kid: &str) -> String {
    encode(&Header { kid: Some(kid.to_owned()), ..issuer.header() }, &issuer.claims, &issuer.key).unwrap()
}

#[actix_web::test]
async fn fetched_at_start_again_for_an_unknown_key_and_kept_when_the_issuer_is_down() {
    let (old, new) = (Issuer::ours(), Issuer::ours());
    let stub = Stub::start(Play::Text(500, String::new()));
    let gate = Gate::new(&old.clock, &config(&format!("jwks_url = \"{}\"", stub.url)));
    let keys = gate.keys("default");
    gate.issuers.tend(&reqwest::Client::new());

    let none = gate.bearer(&token(&old, "k1")).await.unwrap_err();
    assert_eq!(none.code(), Code::KeysUnavailable, "no keys at all is our fault: 503");
    assert!(!gate.issuers.is_ready());
    stub.say(json!({"keys": [old.jwk()]}));
    until("retries at the start", async || keys.current().is_some()).await;
    assert!(gate.bearer(&token(&old, "k1")).await.is_ok() && gate.issuers.is_ready());

    stub.say(json!({"keys": [old.jwk(), jwk(&new.key, Algorithm::EdDSA, "k2")]}));
    until("an unknown key is fetched once", async || gate.bearer(&token(&new, "k2")).await.is_ok()).await;
    let before = stub.count();
    for _ in 0..100 {
        assert!(gate.bearer(&token(&new, "k9")).await.is_err());
    }
    let fetches = stub.count() - before;
    assert!(fetches < 20, "unknown keys cost {fetches} fetches for 100 requests");

    stub.set(Play::Text(500, String::new()));
    let failures = keys.health().failures;
    until("a fetch fails", async || keys.refetch().await && keys.health().failures > failures).await;
    gate.forget();
    assert!(gate.bearer(&token(&new, "k2")).await.is_ok(), "old keys serve on");
    for odd in [json!({"keys": []}), json!({"keys": "x".repeat(300_000)}), json!([])] {
        stub.say(odd);
        let failures = keys.health().failures;
        until("odd sets are refused", async || keys.refetch().await && keys.health().failures > failures).await;
        assert_eq!(keys.health().keys, 2);
    }
    stub.stop().await;
}

#[actix_web::test]
async fn whoever_comes_before_the_first_keys_waits_for_them() {
    let issuer = Issuer::ours();
    let stub = Stub::start(Play::Text(500, String::new()));
    let mut config = config(&format!("jwks_url = \"{}\"", stub.url));
    config.authentication.refetch_timeout = Duration::from_secs(30).into();
    let gate = Gate::new(&issuer.clock, &config);
    let keys = gate.keys("default");
    gate.issuers.tend(&reqwest::Client::new());
    until("a fetch fails", async || keys.health().failures > 0).await;

    let token = issuer.token();
    let (answer, ()) = futures_util::join!(gate.bearer(&token), async { stub.say(json!({"keys": [issuer.jwk()]})) });
    assert!(answer.is_ok(), "{answer:?}");
    stub.stop().await;
}

#[actix_web::test]
async fn a_revoked_signing_key_voids_whatever_it_has_signed_and_nothing_else() {
    let (stolen, sound) = (Issuer::ours(), Issuer::ours());
    let clock = &stolen.clock;
    let corp = Issuer { kid: "k1", ..Issuer::corp(clock) };
    let row = format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{CORP}\"\naudiences = [\"payments\"]\ntypes = []\n\
         jwks_url = \"http://127.0.0.1:9/\"\n"
    );
    let keys = [stolen.jwk(), jwk(&sound.key, Algorithm::EdDSA, "k2")];
    let gate = Gate::new(clock, &config(&row)).knows("default", &keys).knows("corp", &[corp.jwk()]);
    let seen = gate.bearer(&stolen.token()).await.unwrap();
    let expires_at = clock.now() + Duration::from_secs(60);
    gate.revoked.apply(&shared::store::Revocation::SigningKey { kid: "k1".to_owned(), expires_at });
    assert!(gate.recheck(&seen).is_none(), "what lasts ends with it");
    for token in [stolen.token(), stolen.with("jti", json!("another"))] {
        assert_eq!(gate.bearer(&token).await.unwrap_err().code(), Code::TokenInvalid, "remembered or new");
    }
    assert!(gate.bearer(&token(&sound, "k2")).await.is_ok(), "the other key goes on");
    assert!(gate.bearer(&corp.token()).await.is_ok(), "another issuer's key of that name is another key");
}

#[actix_web::test]
async fn what_a_key_has_signed_is_looked_at_anew_when_the_key_is_gone() {
    let (old, new) = (Issuer::ours(), Issuer::ours());
    let second = || jwk(&new.key, Algorithm::EdDSA, "k2");
    let gate = Gate::new(&old.clock, &config("")).knows("default", &[old.jwk(), second()]);
    let endless = old.with("exp", json!(old.clock.now_seconds() + 1_000_000_000));
    let seen = gate.bearer(&endless).await.unwrap();
    let other = gate.bearer(&token(&new, "k2")).await.unwrap();
    gate.keys("default").replace(key_set(&[second()]));
    assert!(gate.bearer(&endless).await.is_err(), "a stolen key signs tokens that never end");
    assert!(gate.recheck(&seen).is_some(), "a key that retires ends no tunnel; one that is revoked does");
    let again = gate.bearer(&token(&new, "k2")).await.unwrap();
    assert!(Rc::ptr_eq(&again.verified, &other.verified), "a key that stays costs no second look");
    gate.keys("default").replace(key_set(&[jwk(&Issuer::ours().key, Algorithm::EdDSA, "k2")]));
    assert!(gate.bearer(&token(&new, "k2")).await.is_err(), "another key under the same name is another key");
}

#[actix_web::test]
async fn metadata_leads_to_the_keys() {
    let ours = Issuer::ours();
    let stub = Stub::start(Play::Hang);
    // One document serves as both: the stub answers every path.
    let mut theirs = Issuer::corp(&ours.clock);
    theirs.claims["iss"] = json!(stub.url);
    let document =
        |issuer: &str| json!({"issuer": issuer, "jwks_uri": format!("{}/keys", stub.url), "keys": [theirs.jwk()]});
    let more = format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{}\"\naudiences = [\"payments\"]\ndiscovery = true\ntypes = []\n",
        stub.url
    );
    let gate = Gate::new(&ours.clock, &config(&more));
    let keys = gate.keys("corp");
    stub.say(document("https://evil.example"));
    keys.tend(&reqwest::Client::new());
    until("another issuer's metadata is refused", async || keys.health().failures > 0).await;
    assert!(keys.current().is_none());
    stub.say(document(&stub.url));
    until("its own leads to the keys", async || keys.current().is_some()).await;
    assert!(gate.bearer(&theirs.token()).await.is_ok());
    stub.stop().await;
}

#[actix_web::test]
async fn a_reload_keeps_keys_that_are_still_asked_for_and_forgets_what_is_gone() {
    let ours = Issuer::ours();
    let corp = |name: &str| {
        format!(
            "[[authentication.issuers]]\nname = \"{name}\"\nissuer = \"{CORP}\"\naudiences = [\"a\"]\njwks_url = \"http://127.0.0.1:9/{name}\"\n"
        )
    };
    let before = Issuers::compile(&config(&corp("one")), None).unwrap();
    before.key_sets().for_each(|(_, keys)| keys.replace(key_set(&[ours.jwk()])));
    let after = Issuers::compile(&config(&corp("two")), Some(&before)).unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
    let has: Vec<_> = after.key_sets().map(|(name, keys)| (name, keys.current().is_some())).collect();
    assert_eq!(has, [("default", true), ("two", false)]);

    let held: Vec<_> = after.key_sets().map(|(_, keys)| Arc::downgrade(keys)).collect();
    drop((before, after));
    assert!(held.iter().all(|keys| keys.upgrade().is_none()), "nobody fetches what nobody asks for");
}

#[actix_web::test]
async fn keys_outlive_a_reload_that_changes_when_they_are_fetched() {
    let ours = Issuer::ours();
    let before = Issuers::compile(&config(""), None).unwrap();
    before.key_sets().for_each(|(_, keys)| keys.replace(key_set(&[ours.jwk()])));
    for (change, stays) in [
        ("refresh = \"1m\"", true),
        ("leeway = \"1s\"", true),
        ("algorithms = [\"ES256\"]", false),
        ("jwks_url = \"http://127.0.0.1:9/\"", false),
    ] {
        let after = Issuers::compile(&config(change), Some(&before)).unwrap();
        assert_eq!(after.is_ready(), stays, "{change}: no token waits for keys that are known");
    }
}

/// The rows of two further issuers: one whose keys are at this address, and one that is asked there.
fn two(jwks: &str, asked: &str) -> String {
    format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{CORP}\"\naudiences = [\"a\"]\njwks_url = \"{jwks}\"\n\
         [[authentication.issuers]]\nname = \"asked\"\nissuer = \"https://asked.example\"\n\
         introspection = {{ url = \"{asked}\", client_id = \"gateway\", client_secret = \"secret\" }}\n"
    )
}

const JWKS: &str = "http://127.0.0.1:9/jwks";
const ASKED: &str = "http://127.0.0.1:9/asked";

#[actix_web::test]
async fn the_same_configuration_goes_on_with_all_that_is_known_and_another_with_what_is_the_same_of_it() {
    let before = Issuers::compile(&config(&two(JWKS, ASKED)), None).unwrap();
    let same = Issuers::compile(&config(&two(JWKS, ASKED)), Some(&before)).unwrap();
    assert!(Arc::ptr_eq(&before, &same), "the workers' verified tokens stay");
    let asked = |issuers: &Issuers| {
        let introspector = |issuer: &issuers::Issuer| match &issuer.source {
            Source::Asked { introspector, .. } => Some(Arc::as_ptr(introspector)),
            Source::Keys(_) => None,
        };
        issuers.each().iter().find_map(introspector).unwrap()
    };
    for (more, stays) in [
        (two("http://127.0.0.1:9/elsewhere", ASKED), true),
        (format!("cookie.name = \"__Host-other\"\n{}", two(JWKS, ASKED)), true),
        (two(JWKS, "http://127.0.0.1:9/elsewhere"), false),
        (two(JWKS, ASKED).replace("\"secret\"", "\"other\""), false),
        (format!("introspection.remember = \"7s\"\n{}", two(JWKS, ASKED)), false),
    ] {
        let after = Issuers::compile(&config(&more), Some(&before)).unwrap();
        assert!(!Arc::ptr_eq(&before, &after), "{more}");
        assert_eq!(asked(&before) == asked(&after), stays, "{more}");
    }
}

#[actix_web::test]
async fn keys_are_believed_for_the_address_that_they_came_from_only() {
    let ours = Issuer::ours();
    let before = Issuers::compile(&config(&two(JWKS, ASKED)), None).unwrap();
    before.key_sets().for_each(|(_, keys)| keys.replace(key_set(&[ours.jwk()])));
    let count = |more: &str| {
        let after = Issuers::compile(&config(more), Some(&before)).unwrap();
        after.key_sets().find(|(name, _)| *name == "corp").unwrap().1.health().keys
    };
    assert_eq!(count(&two(JWKS, "http://127.0.0.1:9/other")), 1);
    assert_eq!(count(&format!("refresh = \"77s\"\n{}", two(JWKS, ASKED))), 1, "until it has fetched its own");
    assert_eq!(count(&two("http://127.0.0.1:9/elsewhere", ASKED)), 0);
    let pinned =
        |algorithms: &str| two(JWKS, ASKED).replacen("audiences", &format!("algorithms = {algorithms}\naudiences"), 1);
    assert_eq!(count(&pinned("[\"EdDSA\"]")), 1, "the key is still one of those that it takes");
    assert_eq!(count(&pinned("[\"ES256\"]")), 0);
}
