//! A receipt is believed as it was signed, by the key that signed it, while that was its to sign; else refused with the reason.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::receipts::published::Times;
use crate::receipts::{KeySet, PublishedKey, Refusal, Revoked, check, read_keys, read_text};

struct Signer {
    pair: Ed25519KeyPair,
    key: PublishedKey,
}

impl Signer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let times = Times { made: 90, signs: 100, ended: None, revoked: None };
        let key = PublishedKey::of(pair.public_key().as_ref(), times);
        Self { pair, key }
    }

    fn header(&self) -> Value {
        json!({"typ": "tollgate-receipt+jwt", "alg": "EdDSA", "kid": self.key.kid})
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    fn receipt(&self, payload: &Value) -> String {
        self.sign(&self.header().to_string(), &payload.to_string())
    }

    fn check(&self, receipt: &str) -> Result<(), Refusal> {
        check(receipt, &KeySet { keys: vec![self.key.clone()] }, None).map(drop)
    }
}

fn payload() -> Value {
    json!({
        "iss": "https://bank.example.com", "iat": 150, "sub": "01936f70-1e5f-7a68-8d2b-4f6a9c0e3b77", "version": 1,
        "transfer": {
            "debit_account_id": "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11",
            "credit_account_id": "01936f6e-8c21-7f0a-9b5d-6c4e2a1f7d33",
            "amount": 1050, "currency": "USD", "kind": "posted", "pending_of": null, "reversal_of": null,
            "external_ref": "r-1", "description_sha256": "0".repeat(64), "metadata_sha256": null, "expires_at": null,
            "posted_at": "2026-11-21T08:00:00.000000Z", "created_at": "2026-11-21T08:00:00.000000Z",
        },
        "chain": {
            "position": 7, "batch": 3, "first_position": 6, "last_position": 9, "format": 2, "hash": "a".repeat(64),
        },
    })
}

/// Every place in a value where something else could stand.
fn places(value: &Value, at: &str) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    let below = members.flat_map(|(name, member)| {
        let place = format!("{at}/{name}");
        let mut all = places(member, &place);
        all.push(place);
        all
    });
    below.collect()
}

#[test]
fn what_was_signed_is_believed_and_with_any_claim_changed_refused() {
    let (signer, payload) = (Signer::new(), payload());
    let receipt = signer.receipt(&payload);
    let keys = KeySet { keys: vec![Signer::new().key, signer.key.clone()] };
    let claims = check(&format!(" {receipt}\n"), &keys, Some("https://bank.example.com")).unwrap();
    assert_eq!(serde_json::to_value(&claims).unwrap(), payload);
    let parts: Vec<_> = receipt.split('.').collect();
    for place in places(&payload, "") {
        let mut changed = payload.clone();
        *changed.pointer_mut(&place).unwrap() = json!(8);
        let changed = BASE64_URL_SAFE_NO_PAD.encode(changed.to_string());
        let forged = format!("{}.{changed}.{}", parts[0], parts[2]);
        assert_eq!(signer.check(&forged), Err(Refusal::Signature(signer.key.kid.clone())), "{place}");
        // Whoever can sign says nothing else either.
        let mut lacking = payload.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        lacking.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        assert!(matches!(signer.check(&signer.receipt(&lacking)), Err(Refusal::Claims(_))), "{place}");
    }
    for at in 0..receipt.len() {
        let mut changed = receipt.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(signer.check(&String::from_utf8(changed).unwrap()).is_err(), "{at}");
        assert!(signer.check(&receipt[..at]).is_err(), "cut at {at}");
    }
    assert!(matches!(Signer::new().check(&receipt), Err(Refusal::UnknownKey(_))));
    let other = check(&receipt, &keys, Some("https://other.example.com")).unwrap_err();
    assert!(other.to_string().contains("bank.example.com"), "{other}");
    let twice = KeySet { keys: vec![signer.key.clone(), signer.key.clone()] };
    assert_eq!(check(&receipt, &twice, None), Err(Refusal::Ambiguous(signer.key.kid.clone())));
}

#[test]
fn a_header_is_that_of_a_receipt_to_the_letter() {
    let (signer, payload) = (Signer::new(), payload().to_string());
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("Ed25519")),
        ("alg", json!("eddsa")),
        ("alg", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("typ", json!(null)),
        ("kid", json!("x")),
        ("kid", json!(null)),
        ("jwk", serde_json::to_value(&signer.key).unwrap()),
        ("jku", json!("https://evil.example.com/keys.json")),
        ("x5c", json!([])),
        ("x5u", json!("https://evil.example.com/c.pem")),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        let mut header = signer.header();
        header[member] = value.clone();
        assert!(signer.check(&signer.sign(&header.to_string(), &payload)).is_err(), "{member} {value}");
    }
    for member in ["alg", "typ", "kid"] {
        let mut header = signer.header();
        header.as_object_mut().unwrap().remove(member);
        let refused = signer.check(&signer.sign(&header.to_string(), &payload));
        assert!(matches!(refused, Err(Refusal::Header(_))), "{member}: {refused:?}");
    }
    let header = signer.header().to_string();
    let doubled = header.replacen('{', "{\"alg\":\"none\",", 1);
    assert!(signer.check(&signer.sign(&doubled, &payload)).is_err());
    let unsigned = format!("{}.", signer.sign(&header, &payload).rsplit_once('.').unwrap().0);
    assert_eq!(signer.check(&unsigned), Err(Refusal::Shape));
    let padded = format!("{}=", signer.sign(&header, &payload));
    for odd in ["", ".", "..", "a.b.c.d", "{}", &padded] {
        assert_eq!(signer.check(odd), Err(Refusal::Shape), "{odd}");
    }
    assert_eq!(signer.check(&"a".repeat(20_000)), Err(Refusal::TooLong));
}

#[test]
fn a_key_is_believed_for_its_own_time_and_not_from_its_revocation_on() {
    let at = |iat: i64| {
        let mut payload = payload();
        payload["iat"] = json!(iat);
        payload
    };
    let mut signer = Signer::new();
    signer.key.exp = Some(200);
    let checked = |signer: &Signer, iat| signer.check(&signer.receipt(&at(iat)));
    assert_eq!(checked(&signer, 99), Err(Refusal::Early { iat: 99, nbf: 100 }));
    assert_eq!((checked(&signer, 100), checked(&signer, 199)), (Ok(()), Ok(())));
    assert_eq!(checked(&signer, 200), Err(Refusal::Late { iat: 200, exp: 200 }));
    signer.key.revoked = Some(Revoked { revoked_at: 150, reason: String::new() });
    assert_eq!(checked(&signer, 149), Ok(()));
    assert_eq!(checked(&signer, 150), Err(Refusal::Revoked { iat: 150, revoked_at: 150 }));
}

#[test]
fn what_is_signed_and_holds_together_no_better_is_refused() {
    let signer = Signer::new();
    for (place, value) in [
        ("/version", json!(2)),
        ("/sub", json!("x")),
        ("/transfer/amount", json!(0)),
        ("/transfer/amount", json!(1.5)),
        ("/transfer/kind", json!("expired")),
        ("/transfer/credit_account_id", payload()["transfer"]["debit_account_id"].clone()),
        ("/transfer/description_sha256", json!("A".repeat(64))),
        ("/chain/position", json!(10)),
        ("/chain/hash", json!("aa")),
    ] {
        let mut changed = payload();
        *changed.pointer_mut(place).unwrap() = value;
        assert!(signer.check(&signer.receipt(&changed)).is_err(), "{place}");
    }
    for place in ["", "/transfer", "/chain"] {
        let mut more = payload();
        more.pointer_mut(place).unwrap()["more"] = json!(1);
        assert!(matches!(signer.check(&signer.receipt(&more)), Err(Refusal::Claims(_))), "{place}");
    }
    assert!(matches!(signer.check(&signer.sign(&signer.header().to_string(), "no JSON")), Err(Refusal::Claims(_))));
}

#[test]
fn a_key_set_is_read_as_it_is_published_and_what_is_no_key_of_receipts_is_passed_over() {
    let signer = Signer::new();
    let set = |keys: Value| read_keys(json!({"keys": keys}).to_string().as_bytes());
    let own = serde_json::to_value(&signer.key).unwrap();
    let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"});
    assert_eq!(set(json!([rsa, own])).unwrap().keys, std::slice::from_ref(&signer.key));
    for (member, value) in [
        ("kid", json!("another")),
        ("x", json!("AAAA")),
        ("alg", json!("none")),
        ("use", json!("enc")),
        ("crv", json!("Ed448")),
        ("nbf", json!(null)),
        ("revoked", json!("yes")),
        ("exp", json!("never")),
    ] {
        let mut key = own.clone();
        key[member] = value.clone();
        assert!(set(json!([key])).is_err(), "{member} {value}");
    }
    assert!(set(json!([])).is_err() && read_keys(&b"[]"[..]).is_err());
    assert!(read_keys(std::io::repeat(b' ')).unwrap_err().to_string().contains("larger"));
    assert_eq!(signer.check(&read_text(std::io::repeat(b'a')).unwrap()), Err(Refusal::TooLong));
    assert!(read_text(&[0xff, 0xfe][..]).is_err());
}
