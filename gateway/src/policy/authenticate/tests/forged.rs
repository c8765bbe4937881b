//! Every forgery we can think of, against our own issuer and another, each with the other beside it.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::domain::Role;

use super::super::keys::KeySet;
use super::fixture::*;
use super::*;

fn corp() -> String {
    format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{CORP}\"\naudiences = [\"payments\"]\n\
         jwks_url = \"http://127.0.0.1:9/\"\ntypes = [\"JWT\"]\nroles_claim = \"realm_access.roles\"\n\
         role_map = {{ realm-admin = \"support\" }}\n"
    )
}

fn part(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(value)
}

/// A forged token, and what it is refused for.
type Forgery = (&'static str, String, Refusal);

/// Properly signed, but saying something else.
fn other_claims(of: &Issuer) -> Vec<Forgery> {
    let now = of.clock.now_seconds();
    vec![
        ("an unknown issuer", of.with("iss", json!("https://evil.example")), Refusal::WrongIssuer),
        ("the issuer with a slash more", of.with("iss", json!(format!("{}/", of.claims["iss"].as_str().unwrap()))), {
            Refusal::WrongIssuer
        }),
        ("two issuers", of.with("iss", json!([of.claims["iss"], "https://evil.example"])), Refusal::Malformed),
        ("no issuer", of.with("iss", Value::Null), Refusal::Malformed),
        ("another audience", of.with("aud", json!("other")), Refusal::WrongAudience),
        ("no audience", of.with("aud", Value::Null), Refusal::Malformed),
        ("expired", of.with("exp", json!(now - 5)), Refusal::Expired),
        ("no expiry", of.with("exp", Value::Null), Refusal::Malformed),
        ("an expiry in words", of.with("exp", json!("tomorrow")), Refusal::Malformed),
        ("not yet", of.with("nbf", json!(now + 6)), Refusal::NotYetValid),
        ("no subject", of.with("sub", Value::Null), Refusal::Malformed),
        ("a subject that is no text", of.with("sub", json!(7)), Refusal::Malformed),
        ("an empty subject", of.with("sub", json!("")), Refusal::Malformed),
        ("a claim twice", doubled(of), Refusal::Malformed),
    ]
}

/// Not signed by whom it says, or not in the way it says.
fn other_signatures(of: &Issuer, other: &Issuer) -> Vec<Forgery> {
    let good = of.token();
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let header = |name: &str, value: Value| {
        let mut header = serde_json::to_value(of.header()).unwrap();
        header[name] = value;
        header.to_string()
    };
    let bare = |header: &str| format!("{}.{payload}.", part(header));
    let public = of.jwk()["x"].as_str().unwrap().to_owned();
    let confused = |secret: &[u8]| {
        let header = Header { alg: Algorithm::HS256, ..of.header() };
        encode(&header, &of.claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let kid = |kid: Option<&str>| of.signed(&Header { kid: kid.map(str::to_owned), ..of.header() });
    let typ = |typ: Option<&str>| of.signed(&Header { typ: typ.map(str::to_owned), ..of.header() });
    let evil = jwk(&other.key, Algorithm::EdDSA, of.kid);
    vec![
        ("no algorithm", bare(&header("alg", json!("none"))), Refusal::Malformed),
        ("no algorithm, another case", bare(&header("alg", json!("nOnE"))), Refusal::Malformed),
        ("the public key as an HMAC secret", confused(public.as_bytes()), Refusal::WrongAlgorithm),
        ("its bytes as an HMAC secret", confused(&URL_SAFE_NO_PAD.decode(&public).unwrap()), Refusal::WrongAlgorithm),
        ("the set as an HMAC secret", confused(of.jwk().to_string().as_bytes()), Refusal::WrongAlgorithm),
        ("another's key", encode(&of.header(), &of.claims, &other.key).unwrap(), Refusal::WrongSignature),
        ("the other issuer's key by its id", encode(&other.header(), &of.claims, &other.key).unwrap(), {
            if of.typ == other.typ { Refusal::UnknownKey } else { Refusal::WrongType }
        }),
        (
            "the other issuer's key by its id, under our type",
            encode(&Header { kid: Some(other.kid.to_owned()), ..of.header() }, &of.claims, &other.key).unwrap(),
            Refusal::UnknownKey,
        ),
        ("another's payload", format!("{head}.{}.{signature}", part(&other.claims.to_string())), {
            if of.typ == other.typ { Refusal::UnknownKey } else { Refusal::WrongType }
        }),
        ("no signature", format!("{head}.{payload}."), Refusal::WrongSignature),
        ("the other's type", typ(Some(other.typ)), Refusal::WrongType),
        ("an assertion of the gateway's", typ(Some("ti+jwt")), Refusal::WrongType),
        ("no type", typ(None), Refusal::WrongType),
        ("an unknown key", kid(Some("k9")), Refusal::UnknownKey),
        ("no key id", kid(None), Refusal::UnknownKey),
        ("a path as key id", kid(Some("../../dev/null")), Refusal::UnknownKey),
        ("a critical extension", of.signed(&Header { crit: Some(vec!["x".to_owned()]), ..of.header() }), {
            Refusal::Malformed
        }),
        ("a key brought along", signed_by(other, &header("jwk", evil.clone()), of), Refusal::WrongSignature),
        (
            "a set brought along",
            signed_by(other, &header("jku", json!("http://127.0.0.1:9/")), of),
            Refusal::WrongSignature,
        ),
        ("a certificate's address", signed_by(other, &header("x5u", json!("http://127.0.0.1:9/")), of), {
            Refusal::WrongSignature
        }),
        ("a certificate", signed_by(other, &header("x5c", json!(["MIIB"])), of), Refusal::WrongSignature),
        ("a header with `alg` twice", twice(of, r#"{"alg":"EdDSA","alg":"none","#), Refusal::Malformed),
        ("two parts", format!("{head}.{payload}"), Refusal::Malformed),
        ("four parts", format!("{good}.x"), Refusal::Malformed),
        ("not a token", "a.b".to_owned(), Refusal::Malformed),
        ("a huge one", format!("{head}.{}.{signature}", "x".repeat(20_000)), Refusal::TooLong),
    ]
}

/// A token of `of`'s claims under this header, with `by`'s signature.
fn signed_by(by: &Issuer, header: &str, of: &Issuer) -> String {
    let message = format!("{}.{}", part(header), part(&of.claims.to_string()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &by.key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn twice(of: &Issuer, beginning: &str) -> String {
    let header = serde_json::to_string(&of.header()).unwrap();
    signed_by(of, &header.replacen('{', beginning, 1), of)
}

/// Properly signed, but with two subjects: two readers could believe two things.
fn doubled(of: &Issuer) -> String {
    let header = serde_json::to_string(&of.header()).unwrap();
    let claims = of.claims.to_string().replacen('{', r#"{"sub":"root","#, 1);
    let message = format!("{}.{}", part(&header), part(&claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &of.key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

#[actix_web::test]
async fn forged_tokens_are_refused_each_for_its_reason() {
    let ours = Issuer::ours();
    let theirs = Issuer::corp(&ours.clock);
    let gate = Gate::new(&ours.clock, &config(&corp())).knows("default", &[ours.jwk()]).knows("corp", &[theirs.jwk()]);
    for (of, other) in [(&ours, &theirs), (&theirs, &ours)] {
        assert!(gate.bearer(&of.token()).await.is_ok(), "the control: {}", of.claims["iss"]);
        for (what, token, expected) in other_signatures(of, other).into_iter().chain(other_claims(of)) {
            let refused = gate.bearer(&token).await.unwrap_err();
            let expected = expected.detail();
            let challenge =
                format!("Bearer realm=\"tollgate\", error=\"invalid_token\", error_description=\"{expected}\"");
            assert_eq!(refused.code(), Code::TokenInvalid, "{what}");
            assert_eq!(challenges(&refused), [challenge], "{what} of {}", of.claims["iss"]);
        }
        let now = of.clock.now_seconds();
        assert!(gate.bearer(&of.with("exp", json!(now - 4))).await.is_ok(), "within the leeway");
        assert!(gate.bearer(&of.with("nbf", json!(now + 5))).await.is_ok(), "within the leeway");
        let both = json!(["other", "tollgate", "payments"]);
        assert!(gate.bearer(&of.with("aud", both)).await.is_ok(), "one of several");
        assert!(gate.bearer(&of.with("exp", json!(now + 60).as_f64().into())).await.is_ok(), "a number is a number");
        let prefixed = of.signed(&Header { typ: Some(format!("application/{}", of.typ)), ..of.header() });
        assert!(gate.bearer(&prefixed).await.is_ok(), "the media type in full");
    }
}

#[actix_web::test]
async fn a_good_token_says_who_calls() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let principal = gate.bearer(&ours.token()).await.unwrap();
    let user = principal.caller().user.unwrap();
    assert_eq!((user.id, user.session, user.api_key), (ours.user, Some(ours.session), None));
    assert_eq!((user.ver, user.scope.as_str()), (3, "read write"));
    assert_eq!(user.roles, Roles::NONE.with(Role::User).with(Role::Admin), "unknown roles give nothing");
    assert_eq!((principal.who(), principal.api_key()), (ours.user.to_string().as_str(), None));
    assert_eq!(principal.reach(), Reach::Bounded, "a scope without the full word binds");
    for (scope, reach) in [(json!("api"), Reach::Everything), (json!(""), Reach::Unbounded)] {
        assert_eq!(gate.bearer(&ours.with("scope", scope)).await.unwrap().reach(), reach);
    }
    for (claim, value) in [("sid", Value::Null), ("ver", Value::Null), ("sub", json!("root")), ("sub", json!("F:1"))] {
        assert!(gate.bearer(&ours.with(claim, value)).await.is_err(), "{claim}");
    }
}

#[actix_web::test]
async fn a_client_s_own_token_is_no_user_and_bound_to_its_scope() {
    let mut ours = Issuer::ours();
    ours.claims["client_id"] = json!(ours.user);
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let client = gate.bearer(&ours.with("scope", Value::Null)).await.unwrap();
    assert!(!client.is_user());
    assert_eq!(client.reach(), Reach::Bounded, "no scope, no reach");
    assert_eq!(client.caller().external.unwrap().subject, ours.user.to_string());
    ours.claims["client_id"] = json!("an app that a user signed in with");
    assert!(gate.bearer(&ours.token()).await.unwrap().is_user());
}

#[actix_web::test]
async fn a_client_s_own_token_ends_with_its_session() {
    let mut ours = Issuer::ours();
    ours.claims["client_id"] = json!(ours.user);
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let seen = gate.bearer(&ours.token()).await.unwrap();
    let expires_at = ours.clock.now() + std::time::Duration::from_secs(60);
    gate.revoked.apply(&shared::store::Revocation::Session { sid: ours.session, expires_at });
    for token in [ours.token(), ours.with("jti", json!("another"))] {
        assert_eq!(gate.bearer(&token).await.unwrap_err().code(), Code::TokenInvalid, "remembered or new");
    }
    assert!(gate.recheck(&seen).is_none(), "what lasts ends with it");
    let other = shared::domain::SessionId::generate(&ours.clock);
    assert!(gate.bearer(&ours.with("sid", json!(other))).await.is_ok(), "its next session goes on");
    assert!(gate.bearer(&ours.with("sid", Value::Null)).await.is_err(), "one that nothing could end");
}

#[actix_web::test]
async fn what_a_user_gave_a_client_is_bounded_even_by_nothing() {
    let mut ours = Issuer::ours();
    ours.claims["client_id"] = json!("01936f70-3e4f-7b5c-9d6e-1a2b3c4d5e6f");
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    for scope in [json!(""), json!("openid"), Value::Null] {
        let given = gate.bearer(&ours.with("scope", scope)).await.unwrap();
        assert!(given.is_user());
        assert_eq!(given.reach(), Reach::Bounded);
    }
}

#[actix_web::test]
async fn an_id_token_opens_nothing() {
    let ours = Issuer { typ: "JWT", ..Issuer::ours() };
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let refused = gate.bearer(&ours.token()).await.unwrap_err();
    assert!(challenges(&refused)[0].contains(Refusal::WrongType.detail()));
}

#[actix_web::test]
async fn a_stranger_is_never_taken_for_one_of_ours() {
    let ours = Issuer::ours();
    let mut theirs = Issuer::corp(&ours.clock);
    // Whatever they claim: our user's id, our session, our roles.
    theirs.claims["sub"] = json!(ours.user);
    theirs.claims["sid"] = json!(ours.session);
    theirs.claims["roles"] = json!(["admin"]);
    let gate = Gate::new(&ours.clock, &config(&corp())).knows("corp", &[theirs.jwk()]);
    let stranger = gate.bearer(&theirs.token()).await.unwrap();
    let caller = stranger.caller();
    assert!(!stranger.is_user() && caller.user.is_none());
    assert_eq!(stranger.who(), format!("{CORP}#{}", ours.user), "no counter or key of our user's");
    let external = caller.external.unwrap();
    assert_eq!((external.issuer.as_str(), external.scope.as_str()), (CORP, "openid payments"));
    assert_eq!(external.roles, Roles::NONE.with(Role::Support), "by the map, and only by it");
    assert_eq!(stranger.reach(), Reach::Unbounded);

    let at_ours = gate.issuers.accepted(&[], true);
    let refused =
        gate.ask_at(&[("authorization", &format!("Bearer {}", theirs.token()))], Auth::Required, at_ours).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::TokenInvalid);
    assert!(challenges(&refused)[0].contains(Refusal::NotHere.detail()));
    assert_eq!(gate.issuers.names(at_ours), ["default", "api_keys"]);
    assert_eq!(gate.issuers.names(gate.issuers.accepted(&["corp".to_owned()], false)), ["corp"]);
}

#[actix_web::test]
async fn a_trusted_issuer_names_our_users_and_watermarks_hold_where_they_shall() {
    for watermarks in [true, false] {
        let ours = Issuer::ours();
        let mut theirs = Issuer::corp(&ours.clock);
        theirs.claims["sub"] = json!(ours.user);
        // Some issuers call permissions of their own by this name.
        theirs.claims["permissions"] = json!(["users:read", "roles:assign"]);
        let more = format!("{}trusted = true\nwatermarks = {watermarks}\n", corp());
        let gate = Gate::new(&ours.clock, &config(&more)).knows("corp", &[theirs.jwk()]);
        let at_ours = gate.issuers.accepted(&[], true);
        let header = format!("Bearer {}", theirs.token());
        let ask = async || gate.ask_at(&[("authorization", &header)], Auth::Required, at_ours).await;
        let told = ask().await.unwrap().unwrap().caller().user.unwrap();
        assert_eq!((told.id, told.permissions), (ours.user, shared::domain::Permissions::NONE));
        assert!(gate.bearer(&theirs.with("sub", json!("alice"))).await.is_err(), "no id of ours");
        let expires_at = ours.clock.now() + std::time::Duration::from_secs(600);
        gate.revoked.apply(&shared::store::Revocation::User { user: ours.user, ver: 1, expires_at });
        assert_eq!(ask().await.is_err(), watermarks, "it says no `ver`: everything we revoke is newer");
    }
}

fn rsa(size: KeySize) -> EncodingKey {
    let der: Pkcs8V1Der<'_> = KeyPair::generate(size).unwrap().as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

#[actix_web::test]
async fn another_issuer_may_sign_with_rsa_where_it_is_not_pinned_to_something_else() {
    let ours = Issuer::ours();
    let theirs = Issuer { key: rsa(KeySize::Rsa2048), ..Issuer::corp(&ours.clock) };
    let keys = [jwk(&theirs.key, Algorithm::RS256, theirs.kid)];
    let header = Header { alg: Algorithm::RS256, ..theirs.header() };
    let token = theirs.signed(&header);
    let of = |pinned: &str| Gate::new(&ours.clock, &config(&format!("{}{pinned}", corp()))).knows("corp", &keys);
    for taken in ["", "algorithms = [\"RS256\"]", "algorithms = [\"ES256\", \"RS256\"]"] {
        let caller = of(taken).bearer(&token).await.unwrap().caller();
        assert_eq!(caller.external.unwrap().issuer, CORP, "{taken}");
    }
    let refused = async |pinned: &str, token: &str| {
        let refused = of(pinned).bearer(token).await.unwrap_err();
        assert_eq!(refused.code(), Code::TokenInvalid);
        challenges(&refused)[0].clone()
    };
    for pinned in ["algorithms = [\"EdDSA\"]", "algorithms = [\"EdDSA\", \"ES256\"]"] {
        assert!(refused(pinned, &token).await.contains(Refusal::WrongAlgorithm.detail()), "{pinned}");
    }
    // Other ways to sign with the same key, and another key by the same id.
    for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let other = theirs.signed(&Header { alg, ..header.clone() });
        assert!(refused("", &other).await.contains(Refusal::WrongAlgorithm.detail()), "{alg:?}");
    }
    let ed = encode(&theirs.header(), &theirs.claims, &key()).unwrap();
    assert!(refused("", &ed).await.contains(Refusal::WrongAlgorithm.detail()), "the key is for RS256");
    let forged = encode(&header, &theirs.claims, &rsa(KeySize::Rsa2048)).unwrap();
    assert!(refused("", &forged).await.contains(Refusal::WrongSignature.detail()));
}

#[actix_web::test]
async fn a_key_serves_its_own_algorithm_only_and_odd_keys_are_left_out() {
    let ours = Issuer::ours();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ec = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let token = encode(&Header { alg: Algorithm::ES256, ..ours.header() }, &ours.claims, &ec).unwrap();
    let of = |more: &str, keys: &[Value]| Gate::new(&ours.clock, &config(more)).knows("default", keys);
    let ec_key = jwk(&ec, Algorithm::ES256, "k1");
    assert!(of("", std::slice::from_ref(&ec_key)).bearer(&token).await.is_ok());
    assert!(of("", &[ours.jwk()]).bearer(&token).await.is_err());
    let pinned = of("algorithms = [\"EdDSA\"]", std::slice::from_ref(&ec_key));
    assert!(pinned.bearer(&token).await.is_err(), "the issuer is pinned to EdDSA");
    let only_ed = KeySet::parse(json!({"keys": [ec_key]}).to_string().as_bytes(), &[Algorithm::EdDSA]);
    assert!(only_ed.unwrap().is_empty());
    let changed = |key: &str, value: Value| {
        let mut jwk = ours.jwk();
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
    assert!(KeySet::parse(b"{}", &[Algorithm::EdDSA]).is_err());
}
