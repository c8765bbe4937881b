//! Passkeys through the gateway: made, used to sign in by program and by browser, used to prove oneself, and taken away.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Client, text};
use tests::{Backend, Stack};

journeys!(a_passkey_opens_what_a_password_and_a_code_would);

const PASSKEYS: &str = "/api/v1/users/me/passkeys";
const GRANT: &str = "urn:tollgate:params:oauth:grant-type:passkey";

/// A device with one key, and the browser on it, written from WebAuthn with its CBOR by hand.
struct Device {
    key: EcdsaKeyPair,
    origin: String,
    user: String,
    count: u32,
}

impl Device {
    const ID: &[u8] = b"a device of tests";

    /// In front of the issuer's pages: as people open them, for no browser takes an address.
    fn new(issuer: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let origin = issuer.replace("127.0.0.1", "localhost");
        Self { key, origin, user: String::new(), count: 0 }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data =
            json!({"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    fn header(&self, site: &str, flags: u8) -> Vec<u8> {
        [digest(&SHA256, site.as_bytes()).as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    fn create(&mut self, options: &Value) -> String {
        self.user = text(options, "/user/id").to_owned();
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let key = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat();
        let length = u16::try_from(Self::ID.len()).expect("short").to_be_bytes();
        let data = [&self.header(text(options, "/rp/id"), 0x45)[..], &[0; 16], &length, Self::ID, &key].concat();
        let length = u8::try_from(data.len()).expect("short");
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        let response = json!({
            "clientDataJSON": BASE64.encode(self.client_data("webauthn.create", options)),
            "attestationObject": BASE64.encode(object),
        });
        Self::credential(&response)
    }

    fn get(&mut self, options: &Value) -> String {
        self.count += 1;
        let client_data = self.client_data("webauthn.get", options);
        let data = self.header(text(options, "/rpId"), 0x05);
        let signed = [&data, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("signed");
        let response = json!({
            "clientDataJSON": BASE64.encode(client_data), "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature.as_ref()), "userHandle": self.user,
        });
        Self::credential(&response)
    }

    fn credential(response: &Value) -> String {
        let id = BASE64.encode(Self::ID);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {}})
            .to_string()
    }
}

/// What a browser is asked for.
async fn options(client: &Client, path: &str) -> Value {
    client.call(Method::POST, path).send().await.expect(200).json()
}

async fn grant(visitor: &Client, credential: &str) -> Answer {
    visitor.form("/api/v1/auth/token", &[("grant_type", GRANT), ("credential", credential)]).await
}

async fn a_passkey_opens_what_a_password_and_a_code_would(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let metadata = visitor.get("/.well-known/oauth-authorization-server").await.expect(200).json();
    assert!(metadata["grant_types_supported"].as_array().expect("grants").contains(&json!(GRANT)));
    let mut device = Device::new(text(&metadata, "/issuer"));
    let credential = device.create(&options(&ann.client, "/api/v1/users/me/passkeys/options").await);
    let body = json!({"name": "my phone", "credential": credential});
    let kept = ann.client.post(PASSKEYS, &body).await.expect(201);
    drop(stack.mail(&ann.email, "How you sign in").await);

    let credential = device.get(&options(&visitor, "/api/v1/auth/passkeys/options").await);
    let signed_in = grant(&visitor, &credential).await.expect(200);
    grant(&visitor, &credential).await.problem(400, "invalid_grant");
    let here = visitor.with_token(signed_in.text("/access_token"));
    assert_eq!(here.get("/api/v1/users/me").await.expect(200).text("/email"), ann.email);
    let sessions = here.get("/api/v1/users/me/sessions").await.expect(200).json()["data"].clone();
    let current = sessions.as_array().expect("sessions").iter().find(|session| session["current"] == true);
    assert_eq!(current.expect("this one")["amr"], json!(["pop", "user", "mfa"]));

    // For a browser, from pages of ours only.
    let browser = async |credential: &str, site: &str| {
        let call = visitor.call(Method::POST, "/api/v1/auth/session").header("sec-fetch-site", site);
        call.json(json!({"credential": credential})).send().await
    };
    let credential = device.get(&options(&visitor, "/api/v2/auth/passkeys/options").await);
    browser(&credential, "cross-site").await.problem(403, "csrf_refused");
    let cookies = browser(&credential, "same-origin").await.expect(200);
    assert_eq!(cookies.headers.get_all("set-cookie").iter().count(), 2);

    // Whoever has forgotten their password can still prove who they are.
    let credential = device.get(&options(&ann.client, "/api/v1/auth/step-up/options").await);
    let proof = json!({"credential": credential});
    here.post("/api/v1/auth/step-up", &proof).await.problem(422, "validation_failed");
    drop(ann.client.post("/api/v1/auth/step-up", &proof).await.expect(204));

    let path = format!("{PASSKEYS}/{}", kept.text("/id"));
    assert_eq!(
        ann.client.patch(&path, json!({"name": "my old phone"})).await.expect(200).text("/name"),
        "my old phone"
    );
    stack.register("bob").await.client.delete(&path).await.problem(404, "not_found");
    drop(here.delete(&path).await.expect(204));
    let credential = device.get(&options(&visitor, "/api/v1/auth/passkeys/options").await);
    grant(&visitor, &credential).await.problem(400, "invalid_grant");
}
