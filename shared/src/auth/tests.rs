//! What an assertion opens, and everything it must not.

use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::config::Secret;
use crate::domain::{ApiKeyId, Permission, Permissions, Role, Roles, SessionId, UserId};

fn secret(letter: &str) -> Secret {
    Secret::from(letter.repeat(32))
}

fn caller(clock: &Clock) -> Caller {
    let user = User {
        id: UserId::generate(clock),
        session: Some(SessionId::generate(clock)),
        api_key: None,
        roles: Roles::NONE.with(Role::User),
        permissions: Permissions::NONE.with(Permission::AuditRead),
        scope: "accounts".to_owned(),
        ver: 3,
    };
    Caller { user: Some(user), client_ip: Some([192, 0, 2, 7].into()), ..Caller::default() }
}

#[test]
fn it_reads_back_for_its_audience_method_and_path_only() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let signer = Signer::new(&secret("k"), clock.clone()).unwrap();
    let users = Verifier::new(&secret("k"), AUDIENCE_USERS, clock.clone()).unwrap();
    let caller = caller(&clock);
    let assertion = signer.sign(AUDIENCE_USERS, "GET", "/api/v1/users/me", &caller).unwrap();
    assert_eq!(users.verify(&assertion, "GET", "/api/v1/users/me"), Ok(caller));

    let accounts = Verifier::new(&secret("k"), AUDIENCE_ACCOUNTS, clock.clone()).unwrap();
    let stranger = Verifier::new(&secret("x"), AUDIENCE_USERS, clock.clone()).unwrap();
    assert!(users.verify(&assertion, "DELETE", "/api/v1/users/me").is_err());
    assert!(users.verify(&assertion, "GET", "/api/v1/users").is_err());
    assert!(accounts.verify(&assertion, "GET", "/api/v1/users/me").is_err());
    assert!(stranger.verify(&assertion, "GET", "/api/v1/users/me").is_err());
    assert!(users.verify("", "GET", "/api/v1/users/me").is_err());
}

#[test]
fn it_ends_by_the_clock() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let signer = Signer::new(&secret("k"), clock.clone()).unwrap();
    let verifier = Verifier::new(&secret("k"), AUDIENCE_USERS, clock.clone()).unwrap();
    let assertion = signer.sign(AUDIENCE_USERS, "GET", "/", &caller(&clock)).unwrap();
    clock.advance(LIFETIME + Duration::from_secs(4));
    assert!(verifier.verify(&assertion, "GET", "/").is_ok());
    clock.advance(Duration::from_secs(1));
    assert!(verifier.verify(&assertion, "GET", "/").is_err());
}

#[test]
fn nobody_signed_in_stays_nobody_and_short_secrets_are_refused() {
    let clock = Clock::system();
    let signer = Signer::new(&secret("k"), clock.clone()).unwrap();
    let verifier = Verifier::new(&secret("k"), AUDIENCE_USERS, clock.clone()).unwrap();
    let nobody = Caller::default();
    let assertion = signer.sign(AUDIENCE_USERS, "POST", "/x", &nobody).unwrap();
    assert_eq!(verifier.verify(&assertion, "POST", "/x"), Ok(nobody));
    assert!(Signer::new(&Secret::from("short".to_owned()), clock).is_err());
}

#[test]
fn api_keys_outsiders_and_the_gateway_read_back_as_what_they_are() {
    let clock = Clock::system();
    let signer = Signer::new(&secret("k"), clock.clone()).unwrap();
    let verifier = Verifier::new(&secret("k"), AUDIENCE_USERS, clock.clone()).unwrap();
    let user = User { session: None, api_key: Some(ApiKeyId::generate(&clock)), ..caller(&clock).user.unwrap() };
    let outsider = External {
        issuer: "https://corp.example".to_owned(),
        subject: UserId::generate(&clock).to_string(),
        roles: Roles::NONE.with(Role::Support),
        scope: "read".to_owned(),
    };
    for caller in [
        Caller { user: Some(user), ..Caller::default() },
        Caller { external: Some(outsider), ..Caller::default() },
        Caller { is_gateway: true, ..Caller::default() },
    ] {
        let assertion = signer.sign(AUDIENCE_USERS, "POST", "/x", &caller).unwrap();
        assert_eq!(verifier.verify(&assertion, "POST", "/x"), Ok(caller), "{assertion}");
    }
}

/// The assertion as the release before writes it, and as it reads ours.
#[test]
fn the_release_before_is_understood_and_understands() {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};

    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let signer = Signer::new(&secret("k"), clock.clone()).unwrap();
    let verifier = Verifier::new(&secret("k"), AUDIENCE_USERS, clock.clone()).unwrap();
    let claims_of = |assertion: &str| -> serde_json::Value {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };
    let new = caller(&clock);
    let user = new.user.clone().unwrap();
    let plain = User { permissions: Permissions::NONE, ..user };
    let old = Caller { user: Some(plain), ..new.clone() };
    let (with, without) =
        [&new, &old].map(|caller| claims_of(&signer.sign(AUDIENCE_USERS, "GET", "/x", caller).unwrap())).into();
    assert_eq!(with["perm"], serde_json::json!(["audit:read"]));
    let mut less = with.clone();
    less.as_object_mut().unwrap().remove("perm");
    assert_eq!(less, without, "who has none of it is told of as before, and what is new is one more claim");
    let header = Header { typ: Some("ti+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
    let by = EncodingKey::from_secret("k".repeat(32).as_bytes());
    let written = jsonwebtoken::encode(&header, &less, &by).unwrap();
    assert_eq!(verifier.verify(&written, "GET", "/x"), Ok(old));
    let mut newer = with;
    newer["perm"] = serde_json::json!(["moon:visit", "audit:read"]);
    let written = jsonwebtoken::encode(&header, &newer, &by).unwrap();
    assert_eq!(
        verifier.verify(&written, "GET", "/x"),
        Ok(new),
        "a word that only a newer release knows grants nothing"
    );
}

#[test]
fn a_custom_role_lets_its_holder_do_what_it_names_and_no_more() {
    let clock = Clock::system();
    let user = caller(&clock).user.unwrap();
    assert!(user.may(Permission::AuditRead) && !user.may(Permission::UsersRead));
    let support = User { roles: Roles::NONE.with(Role::Support), ..user };
    assert!(support.may(Permission::AuditRead) && support.may(Permission::UsersRead));
    assert!(!support.may(Permission::UsersWrite));
}
