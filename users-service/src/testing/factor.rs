//! An authenticator app, written from RFC 6238 and with nothing of ours.

use std::time::Duration;

use aws_lc_rs::hmac;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;

use super::answer::Answer;
use super::person::{PASSWORD, Person};
use super::service::Running;

/// Somebody's app, and the paper with their recovery codes.
pub struct Authenticator {
    key: hmac::Key,
    pub secret: String,
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// From the secret as it is typed in.
    pub fn new(secret: &str) -> Self {
        let bytes = base32::decode(base32::Alphabet::Rfc4648 { padding: false }, secret).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
        Self { key, secret: secret.to_owned(), recovery_codes: Vec::new() }
    }

    /// The code of now.
    pub fn code(&self, clock: &Clock) -> String {
        self.code_after(clock, 0)
    }

    /// The code so many steps from now.
    pub fn code_after(&self, clock: &Clock, steps: i64) -> String {
        let step = clock.now_seconds() / 30 + steps;
        let mac = hmac::sign(&self.key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let at = usize::from(mac[mac.len() - 1] & 15);
        let word = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }
}

impl Running {
    /// A POST by somebody.
    pub async fn post_by(&self, person: &Person, path: &str, body: Option<&Value>) -> Answer {
        let call = self.call(Method::POST, path).by(person);
        let call = match body {
            Some(body) => call.json(body),
            None => call,
        };
        call.send().await
    }

    /// Sets somebody's app up. The next code that is good is the next step's: the clock has gone there.
    pub async fn enrol(&self, person: &Person) -> Authenticator {
        let offer = self.post_by(person, "/api/v1/users/me/mfa/totp", None).await.expect(201);
        let mut app = Authenticator::new(&offer.text("/secret"));
        let body = json!({"code": app.code(&self.clock)});
        let confirmed = self.post_by(person, "/api/v1/users/me/mfa/totp/confirm", Some(&body)).await.expect(200);
        let codes = confirmed.json()["recovery_codes"].as_array().unwrap().clone();
        app.recovery_codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        self.clock.advance(Duration::from_secs(30));
        app
    }

    /// A sign-in with everybody's password and a code.
    pub async fn sign_in_with(&self, username: &str, otp: &str) -> Answer {
        let fields = [("grant_type", "password"), ("username", username), ("password", PASSWORD), ("otp", otp)];
        self.call(Method::POST, "/api/v1/auth/token").form(&fields).send().await
    }
}
