//! Where a credential may stand, what is said when it is missing or doubled, and that revocation bites at once.

use std::time::Duration;

use serde_json::json;
use shared::domain::{Permission, Permissions, Role};
use shared::store::Revocation;

use super::fixture::*;
use super::*;

const COOKIE: &str = "__Host-tollgate";

#[actix_web::test]
async fn challenges_say_no_more_than_they_should() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let other_scheme = [("authorization", "Basic dTpw")];
    let cookie = [("cookie", "a=b; __Host-tollgate=")];
    for none in [&[][..], &other_scheme, &[("authorization", "")], &cookie] {
        let missing = gate.ask(none, Auth::Required).await.unwrap_err();
        assert_eq!(missing.code(), Code::TokenRequired);
        assert_eq!(challenges(&missing), ["Bearer realm=\"tollgate\"", "ApiKey realm=\"tollgate\""], "{none:?}");
        assert!(gate.ask(none, Auth::Optional).await.unwrap().is_none());
    }
    let no_keys = Gate::new(&ours.clock, &config("api_keys.header = \"\""));
    let missing = no_keys.ask(&[("x-api-key", "k")], Auth::Required).await.unwrap_err();
    assert_eq!(challenges(&missing), ["Bearer realm=\"tollgate\""], "one scheme, one challenge");

    let invalid = |scheme: &str, detail: &str| {
        format!("{scheme} realm=\"tollgate\", error=\"invalid_token\", error_description=\"{detail}\"")
    };
    let bad = gate.ask(&[("authorization", "Bearer x.y.z")], Auth::Optional).await.unwrap_err();
    assert_eq!(challenges(&bad), [invalid("Bearer", "The token is not well-formed.")]);
    for odd in ["Bearer ", "Bearer a b", "Bearer \"a\""] {
        let refused = gate.ask(&[("authorization", odd)], Auth::Required).await.unwrap_err();
        assert_eq!(refused.code(), Code::TokenInvalid, "{odd}");
    }
    let bad = gate.api_key("not one, of ours").await.unwrap_err();
    assert_eq!(challenges(&bad), [invalid("ApiKey", "The API key is not well-formed.")]);
    assert!(gate.ask(&[("authorization", "Bearer x.y.z")], Auth::None).await.unwrap().is_none(), "not looked at");
    let lower = format!("bearer {}", ours.token());
    assert!(gate.ask(&[("authorization", &lower)], Auth::Required).await.is_ok());
    let metrics = gate.metrics.encode();
    for line in [
        "{kind=\"none\",result=\"missing\"} 4",
        "{kind=\"token\",result=\"malformed\"}",
        "{kind=\"token\",result=\"ok\"} 1",
    ] {
        assert!(metrics.contains(&format!("authentications_total{line}")), "{line} in\n{metrics}");
    }
}

#[actix_web::test]
async fn a_request_shows_one_credential() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let (token, bearer) = (ours.token(), format!("Bearer {}", ours.token()));
    let cookie = format!("{COOKIE}={token}");
    for twice in [
        &[("authorization", bearer.as_str()), ("authorization", "Bearer b")][..],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("x-api-key", "a"), ("x-api-key", "a")],
        &[("authorization", &bearer), ("x-api-key", "another")],
    ] {
        for auth in [Auth::Required, Auth::Optional] {
            let refused = gate.ask(twice, auth).await.unwrap_err();
            assert_eq!(refused.code(), Code::MalformedRequest, "{twice:?}");
            assert!(challenges(&refused)[0].starts_with("Bearer realm=\"tollgate\", error=\"invalid_request\""));
        }
    }
    let cookies = format!("{cookie}; {cookie}");
    for twice in [&[("cookie", cookies.as_str())][..], &[("cookie", &cookie), ("cookie", &cookie)]] {
        let refused = gate.ask(twice, Auth::Required).await.unwrap_err();
        assert_eq!(refused.code(), Code::TokenInvalid, "{twice:?}");
        assert!(challenges(&refused)[0].ends_with("error_description=\"The session cookie was sent twice.\""));
        assert!(gate.ask(twice, Auth::Optional).await.unwrap().is_none(), "{twice:?}");
    }
    for (headers, by_cookie) in [
        (&[("cookie", cookie.as_str())][..], true),
        (&[("cookie", &format!("a=1; {COOKIE}=\"{token}\"; b=2"))], true),
        (&[("authorization", &bearer), ("cookie", &format!("{COOKIE}=stale; {COOKIE}=doubled"))], false),
        (&[("authorization", "Basic dTpw"), ("cookie", &cookie)], true),
    ] {
        let principal = gate.ask(headers, Auth::Required).await.unwrap().unwrap();
        assert_eq!(principal.by_cookie, by_cookie, "{headers:?}");
    }
    let near = format!("x{cookie}; {COOKIE}x={token}; {}={token}", COOKIE.to_lowercase());
    let missing = gate.ask(&[("cookie", &near)], Auth::Required).await.unwrap_err();
    assert_eq!(missing.code(), Code::TokenRequired, "a cookie's name is that name: {near}");
    let key_in_cookie = gate.ask(&[("cookie", &format!("{COOKIE}=tgk_abc"))], Auth::Required).await.unwrap_err();
    assert_eq!(key_in_cookie.code(), Code::TokenInvalid, "the cookie holds tokens, no keys");
    let off = Gate::new(&ours.clock, &config("cookie.name = \"\"")).knows("default", &[ours.jwk()]);
    assert!(off.ask(&[("cookie", &cookie)], Auth::Required).await.is_err());
}

#[actix_web::test]
async fn a_stale_cookie_is_nobody_where_nobody_may_come() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let stale = format!("{COOKIE}={}", ours.with("exp", json!(0)));
    assert!(gate.ask(&[("cookie", &stale)], Auth::Optional).await.unwrap().is_none());
    assert_eq!(gate.ask(&[("cookie", &stale)], Auth::Required).await.unwrap_err().code(), Code::TokenInvalid);
    let keyless = Gate::new(&ours.clock, &config(""));
    let unknown = format!("{COOKIE}={}", ours.token());
    let unavailable = keyless.ask(&[("cookie", &unknown)], Auth::Optional).await.unwrap_err();
    assert_eq!(unavailable.code(), Code::KeysUnavailable, "but one that cannot be checked is not nobody's");
}

#[actix_web::test]
async fn a_custom_role_travels_and_its_loss_bites_on_remembered_tokens() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let token = ours.with("permissions", json!(["audit:read", "keys:manage", "moon:visit"]));
    let keys = Permissions::NONE.with(Permission::KeysManage);
    let held = keys.with(Permission::AuditRead);
    let principal = gate.bearer(&token).await.unwrap();
    assert_eq!((principal.permissions, principal.caller().user.unwrap().permissions), (held, held));
    assert!(gate.bearer(&ours.token()).await.unwrap().permissions.is_empty());

    let (user, roles, expires_at) = (ours.user, principal.roles, ours.clock.now() + Duration::from_secs(600));
    gate.revoked.apply(&Revocation::Roles { user, ver: 4, roles, permissions: keys, expires_at });
    let left = gate.bearer(&token).await.unwrap();
    assert_eq!((left.roles, left.permissions), (roles, keys), "the role stays");
    assert!(gate.bearer(&ours.token()).await.unwrap().permissions.is_empty());
}

#[actix_web::test]
async fn revocation_bites_on_remembered_tokens_at_once() {
    let ours = Issuer::ours();
    let gate = Gate::new(&ours.clock, &config("")).knows("default", &[ours.jwk()]);
    let token = ours.token();
    assert!(gate.bearer(&token).await.unwrap().roles.has(Role::Admin));

    let expires_at = ours.clock.now() + Duration::from_secs(600);
    let roles = Roles::NONE.with(Role::User);
    gate.revoked.apply(&Revocation::Roles {
        user: ours.user,
        ver: 4,
        roles,
        permissions: Permissions::NONE,
        expires_at,
    });
    let demoted = gate.bearer(&token).await.unwrap();
    assert_eq!((demoted.roles, demoted.caller().user.unwrap().roles), (roles, roles));
    gate.revoked.apply(&Revocation::Session { sid: ours.session, expires_at });
    assert_eq!(gate.bearer(&token).await.unwrap_err().code(), Code::TokenInvalid);
    assert!(gate.metrics.encode().contains("token_cache_total{result=\"hit\"} 2"));

    ours.clock.advance(Duration::from_secs(306));
    assert_eq!(gate.bearer(&token).await.unwrap_err().code(), Code::TokenInvalid, "and a remembered token expires");
}

#[actix_web::test]
async fn what_lasts_ends_with_its_session_or_where_there_is_none_with_its_credential() {
    let ours = Issuer::ours();
    let hash = hex::encode(introspect::fingerprint("a-key"));
    let more = format!(
        "[[authentication.api_keys.keys]]\nname = \"k\"\nsha256 = \"{hash}\"\nexpires_at = \"2026-01-01T00:05:00Z\"\n"
    );
    let gate = Gate::new(&ours.clock, &config(&more)).knows("default", &[ours.jwk()]);
    let (user, key) = (gate.bearer(&ours.token()).await.unwrap(), gate.api_key("a-key").await.unwrap());
    assert!(gate.recheck(&user).is_some() && gate.recheck(&key).is_some());
    ours.clock.advance(Duration::from_secs(300));
    assert!(gate.recheck(&user).is_some(), "the session goes on");
    assert!(gate.recheck(&key).is_none());
    let expires_at = ours.clock.now() + Duration::from_secs(600);
    gate.revoked.apply(&Revocation::Session { sid: ours.session, expires_at });
    assert!(gate.recheck(&user).is_none());
}
