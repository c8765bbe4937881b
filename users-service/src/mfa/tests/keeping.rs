//! How it is kept: sealed, hashed, under no key, and not longer than its user.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::testing::{Authenticator, Backend, PASSWORD, Setup, on_both};

on_both! {
    a_secret_is_sealed_and_sealed_anew,
    under_a_key_no_secret_is_kept,
    a_purge_takes_the_factors,
}

const TOTP: &str = "/api/v1/users/me/mfa/totp";
const CONFIRM: &str = "/api/v1/users/me/mfa/totp/confirm";

/// Whether any row holds these bytes.
fn holding(backend: Backend, bytes: &[u8]) -> String {
    match backend {
        Backend::Sqlite => format!("instr(secret, x'{}') > 0", hex::encode(bytes)),
        Backend::Postgres => format!("position('\\x{}'::bytea IN secret) > 0", hex::encode(bytes)),
    }
}

async fn a_secret_is_sealed_and_sealed_anew(backend: Backend) {
    const ONE: &str = "a secret of the tests, long enough for one";
    const TWO: &str = "a secret of the tests, long enough for two";
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    let secret = base32::decode(base32::Alphabet::Rfc4648 { padding: false }, &app.secret).unwrap();
    let plain = format!("SELECT count(*) FROM totp_factors WHERE {}", holding(backend, &secret[..4]));
    assert_eq!(service.ground.count(&plain).await, 0);
    let named = |name: u8| {
        format!("SELECT count(*) FROM totp_factors WHERE {}", {
            match backend {
                Backend::Sqlite => format!("substr(secret, 1, 1) = x'{name:02x}'"),
                Backend::Postgres => format!("get_byte(secret, 0) = {name}"),
            }
        })
    };
    let name_of = |secret: &str| shared::auth::Seal::of(&[secret.as_bytes()]).unwrap().seal(b"", b"").unwrap()[0];
    // From the database's own secret to one of the settings, from that to another, and the first is forgotten.
    let clock = service.clock.clone();
    let mut ground = service.halt().await;
    for (secret, previous) in [(ONE, ""), (TWO, ONE), (TWO, "")] {
        let setup = Setup::on(backend).set("keys.seal_secret", secret).set("keys.previous_seal_secret", previous);
        let service = setup.at(clock.clone()).start_on(ground).await;
        service.sign_in_with(&ada.email, &app.code(&clock)).await.expect(200);
        assert_eq!(service.ground.count(&named(name_of(secret))).await, 1, "sealed anew");
        clock.advance(Duration::from_secs(30));
        ground = service.halt().await;
    }
    // Without its secret nobody gets by without a code, and recovery codes are good.
    let service = Setup::on(backend).set("keys.seal_secret", ONE).at(clock.clone()).start_on(ground).await;
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(403, "mfa_required");
    service.sign_in_with(&ada.email, &app.code(&clock)).await.expect_problem(500, "internal_error");
    service.sign_in_with(&ada.email, &app.recovery_codes[0]).await.expect(200);
    service.stop().await;
}

async fn under_a_key_no_secret_is_kept(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let start = || service.call(Method::POST, TOTP).by(&ada).key("one").send();
    let app = Authenticator::new(&start().await.expect(201).text("/secret"));
    start().await.expect_problem(409, "idempotency_not_replayable");
    let code = json!({"code": app.code(&service.clock)});
    let confirm =
        |key: &str, code: &serde_json::Value| service.call(Method::POST, CONFIRM).by(&ada).key(key).json(code).send();
    let wrong = json!({"code": "wrong"});
    confirm("two", &wrong).await.expect_problem(422, "validation_failed");
    confirm("two", &code).await.expect(200);
    confirm("two", &code).await.expect_problem(409, "idempotency_not_replayable");
    confirm("two", &wrong).await.expect_problem(422, "idempotency_key_reused");
    let renew = || service.call(Method::POST, "/api/v2/users/me/mfa/recovery-codes").by(&ada).key("three").send();
    renew().await.expect(200);
    renew().await.expect_problem(409, "idempotency_not_replayable");
    let rows = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(service.ground.count(rows).await, 3);
    assert_eq!(service.ground.count(&format!("{rows} WHERE length(body) > 0 OR status > 0")).await, 0);
    // Others' answers are kept as ever.
    let (admin, bob) = (service.administrator().await, service.person("bobby").await);
    let path = format!("/api/v1/users/{}/disable", bob.id);
    let disable = || service.call(Method::POST, &path).by(&admin).key("one").send();
    let first = disable().await.expect(200);
    let again = disable().await.expect(200);
    assert_eq!((first.bytes, again.header("idempotent-replayed")), (again.bytes.clone(), "true".to_owned()));
    service.stop().await;
}

async fn a_purge_takes_the_factors(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    for person in [&ada, &bob] {
        service.enrol(person).await;
    }
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    service.until_count("SELECT count(*) FROM users WHERE purged_at IS NOT NULL", 1).await;
    for (table, left) in [("totp_factors", 1), ("recovery_codes", 10)] {
        assert_eq!(service.ground.count(&format!("SELECT count(*) FROM {table}")).await, left, "{table}");
    }
    service.password_grant(&bob.email, PASSWORD).await.expect_problem(403, "mfa_required");
    service.stop().await;
}
