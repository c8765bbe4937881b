//! What a token request may say, and what an access token proves.

mod alike;
mod defence;
mod flood;
mod grants;
mod late;
mod races;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::clock::Clock;
use shared::domain::{Permission, Permissions, Role, Roles, SessionId, UserId};
use shared::problem::{Code, Context, Problem};

use super::access::{Issuer, Subject};
use super::error::GrantError;
use crate::config::{self, Config};
use crate::users::Status;

fn config() -> config::Tokens {
    let env = [("TOLLGATE_USERS__IDENTITY__SECRET".to_owned(), "x".repeat(32))];
    Config::load(None, &env).unwrap().tokens
}

#[tokio::test]
async fn an_access_token_has_the_contracts_claims_and_ends() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let folder = tempfile::tempdir().unwrap();
    let keys = crate::testing::keys(&folder, &clock).await;
    let issuer = Issuer::new(&config(), keys.signing, clock.clone());
    let signer = issuer.signer().unwrap();
    let roles = Roles::NONE.with(Role::User).with(Role::Admin);
    let (user, session) = (UserId::generate(&clock), SessionId::generate(&clock));
    let session_ends_at = clock.now_micros() + 3_600_000_000;
    let permissions = Permissions::NONE.with(Permission::AuditRead);
    let subject = Subject { user, session, ver: 3, roles, permissions, scope: "api", session_ends_at, client: None };
    let token = issuer.issue(&signer, subject).unwrap().token;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), jsonwebtoken::Algorithm::EdDSA));
    let claims = issuer.read(&token).await.unwrap();
    assert_eq!((claims.sub, claims.sid, claims.ver, claims.roles), (user, session, 3, roles));
    assert_eq!(claims.permissions, permissions);
    let plain = issuer.issue(&signer, Subject { permissions: Permissions::NONE, ..subject }).unwrap().token;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(plain.split('.').nth(1).unwrap()).unwrap();
    assert!(!String::from_utf8(payload).unwrap().contains("permissions"), "most tokens are as they were");
    assert_eq!(
        (claims.iss.as_str(), claims.aud.as_str(), claims.scope.as_str()),
        ("http://127.0.0.1:8080", "tollgate", "api")
    );
    assert_eq!((claims.exp - claims.iat, claims.nbf), (300, claims.iat));
    assert_ne!(issuer.issue(&signer, subject).unwrap().token, token, "jti");
    let last = issuer.issue(&signer, Subject { session_ends_at: clock.now_micros() + 7_500_000, ..subject }).unwrap();
    assert_eq!(
        (last.expires_in, issuer.read(&last.token).await.unwrap().exp - claims.iat),
        (7, 7),
        "not past its session"
    );
    clock.advance(Duration::from_secs(300));
    assert!(issuer.read(&token).await.is_none());
    assert!(issuer.read("a.b.c").await.is_none());
}

#[test]
fn every_refusal_speaks_oauth_too() {
    let refusals = [
        (GrantError::Invalid, Code::InvalidGrant, "invalid_grant"),
        (GrantError::NotActive(Status::Disabled), Code::InvalidGrant, "invalid_grant"),
        (GrantError::EmailNotVerified, Code::EmailNotVerified, "email_not_verified"),
        (GrantError::MfaRequired, Code::MfaRequired, "mfa_required"),
        (GrantError::UnsupportedType, Code::UnsupportedGrantType, "unsupported_grant_type"),
        (GrantError::Scope, Code::InvalidScope, "invalid_scope"),
        (GrantError::Throttled(Duration::from_secs(3)), Code::RateLimited, "temporarily_unavailable"),
        (GrantError::Other(Problem::new(Code::Overloaded)), Code::Overloaded, "temporarily_unavailable"),
    ];
    for (refusal, code, error) in refusals {
        let problem = Problem::from(refusal);
        assert_eq!(problem.code(), code);
        assert_eq!(problem.to_value(&Context::current())["error"], error);
    }
}
