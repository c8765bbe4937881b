//! The keys' life: issuers that come and go, keys that rotate, metadata that leads to them.

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
