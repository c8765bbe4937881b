//! A second factor through the gateway: set up, asked for, lost, and taken away.

use aws_lc_rs::hmac;
use reqwest::Method;
use serde_json::json;
use shared::clock::Clock;
use tests::client::{Answer, Client, PASSWORD, fresh_key};
use tests::{Backend, Stack};

journeys!(an_app_is_asked_for_from_its_confirmation_on,);

const TOTP: &str = "/api/v1/users/me/mfa/totp";
const CONFIRM: &str = "/api/v1/users/me/mfa/totp/confirm";

/// An authenticator app, written from RFC 6238 and RFC 4648.
struct App(hmac::Key);

impl App {
    fn new(secret: &str) -> Self {
        let (mut bits, mut held, mut bytes) = (0_u64, 0, Vec::new());
        for letter in secret.bytes() {
            let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".bytes().position(|other| other == letter).expect("base32");
            bits = (bits << 5) | u64::try_from(value).expect("five bits");
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push(((bits >> held) & 0xff) as u8);
            }
        }
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes))
    }

    fn code(&self, step: i64) -> String {
        let mac = hmac::sign(&self.0, &step.to_be_bytes());
        let at = usize::from(mac.as_ref()[19] & 15);
        let word = u32::from_be_bytes(mac.as_ref()[at..at + 4].try_into().expect("four bytes"));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}

async fn sign_in(visitor: &Client, email: &str, otp: &str) -> Answer {
    let fields = [("grant_type", "password"), ("username", email), ("password", PASSWORD), ("otp", otp)];
    visitor.form("/api/v1/auth/token", &fields).await
}

async fn an_app_is_asked_for_from_its_confirmation_on(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let there =
        visitor.with_token(visitor.password_grant(&ann.email, PASSWORD).await.expect(200).text("/access_token"));
    let me = "/api/v1/users/me";

    let offer = ann.client.call(Method::POST, TOTP).key(&fresh_key()).send().await.expect(201);
    assert_eq!(offer.must("cache-control"), "no-store");
    assert!(offer.text("/otpauth_uri").contains(&offer.text("/secret")) && offer.text("/qr_svg").starts_with("<svg "));
    let app = App::new(&offer.text("/secret"));
    let (step, key) = (Clock::system().now_seconds() / 30, fresh_key());
    let confirm = || ann.client.call(Method::POST, CONFIRM).key(&key).json(json!({"code": app.code(step)})).send();
    let codes = confirm().await.expect(200).json()["recovery_codes"].clone();
    confirm().await.problem(409, "idempotency_not_replayable");
    drop(stack.mail(&ann.email, "How you sign in").await);
    let factors = ann.client.get("/api/v2/users/me/mfa").await.expect(200).json();
    assert_eq!((&factors["factors"][0]["kind"], &factors["recovery_codes_left"]), (&json!("totp"), &json!(10)));

    let asked = visitor.password_grant(&ann.email, PASSWORD).await.problem(403, "mfa_required");
    assert_eq!(asked["error"], "mfa_required");
    sign_in(&visitor, &ann.email, &app.code(step)).await.problem(400, "invalid_grant");
    let code = app.code(step + 1);
    let here = sign_in(&visitor, &ann.email, &code).await.expect(200);
    let here = visitor.with_token(here.text("/access_token"));
    sign_in(&visitor, &ann.email, &code).await.problem(400, "invalid_grant");
    drop(here.get(me).await.expect(200));

    // A session of before knows only the password.
    let moved = json!({"email": format!("moved-{}", ann.email)});
    let refused = there.patch(me, &moved).await;
    refused.problem(401, "step_up_required");
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
    assert_eq!(refused.must("www-authenticate"), challenge);
    there.post("/api/v1/auth/step-up", json!({"password": PASSWORD})).await.problem(403, "mfa_required");
    let proof = json!({"password": PASSWORD, "otp": codes[0]});
    drop(there.post("/api/v1/auth/step-up", &proof).await.expect(204));
    there.post("/api/v1/auth/step-up", &proof).await.problem(422, "validation_failed");
    drop(there.patch(me, &moved).await.expect(200));
    sign_in(&visitor, &ann.email, codes[0].as_str().expect("a code")).await.problem(400, "invalid_grant");
    drop(sign_in(&visitor, &ann.email, codes[1].as_str().expect("a code")).await.expect(200));

    drop(there.delete(TOTP).await.expect(204));
    drop(visitor.password_grant(&ann.email, PASSWORD).await.expect(200));
}
