//! An authenticator and the browser in front of it, written from WebAuthn and RFC 9053, and honest only if told to be.

use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ciborium::Value as Cbor;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::person::Person;
use super::service::Running;

/// What a test may have the device do otherwise than it should.
#[derive(Clone, Debug)]
pub struct Manner {
    /// What the page says it is.
    pub origin: String,
    /// Which site the authenticator signs for, where not the one that it was asked for.
    pub site: Option<String>,
    /// `webauthn.create`, `webauthn.get`, or neither.
    pub kind: Option<&'static str>,
    /// Flags of authenticator data that are turned round.
    pub turned: u8,
    /// Whether it happens in a frame of another site.
    pub framed: bool,
}

/// Somebody was there.
pub const PRESENT: u8 = 0x01;
/// And it was its owner.
pub const VERIFIED: u8 = 0x04;
/// The key may be on several devices.
pub const ELIGIBLE: u8 = 0x08;
/// And is.
pub const BACKED_UP: u8 = 0x10;
const HAS_KEY: u8 = 0x40;

impl Default for Manner {
    fn default() -> Self {
        Self { origin: "http://localhost:8080".to_owned(), site: None, kind: None, turned: 0, framed: false }
    }
}

/// A key of the device's.
pub enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A device with one key, which counts how often it signs.
pub struct Device {
    pub key: Key,
    pub id: Vec<u8>,
    pub count: u32,
    pub manner: Manner,
    /// Whose key it takes it for.
    pub user_handle: String,
    /// Says that its key is of another kind than it is.
    pub algorithm: Option<i64>,
}

/// In base64url, as everything in WebAuthn.
pub fn base64url(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

impl Device {
    pub fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self::with(Key::P256(key))
    }

    pub fn ed25519() -> Self {
        Self::with(Key::Ed25519(Ed25519KeyPair::generate().unwrap()))
    }

    pub fn rsa() -> Self {
        Self::with(Key::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())))
    }

    fn with(key: Key) -> Self {
        let mut id = vec![0; 16];
        fill(&mut id).unwrap();
        Self { key, id, count: 1, manner: Manner::default(), user_handle: String::new(), algorithm: None }
    }

    /// The public key, as a COSE_Key.
    pub fn cose(&self) -> Cbor {
        let number = |number: i64| Cbor::Integer(number.into());
        let (kind, algorithm, rest) = match &self.key {
            Key::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                (2, -7, vec![(-1, number(1)), (-2, Cbor::Bytes(x.to_vec())), (-3, Cbor::Bytes(y.to_vec()))])
            }
            Key::Ed25519(key) => (1, -8, vec![(-1, number(6)), (-2, Cbor::Bytes(key.public_key().as_ref().to_vec()))]),
            Key::Rsa(key) => {
                let (modulus, exponent) = (key.public_key().modulus(), key.public_key().exponent());
                let [modulus, exponent] = [modulus, exponent].map(|n| n.big_endian_without_leading_zero().to_vec());
                (3, -257, vec![(-1, Cbor::Bytes(modulus)), (-2, Cbor::Bytes(exponent))])
            }
        };
        let members = [(1, number(kind)), (3, number(self.algorithm.unwrap_or(algorithm)))].into_iter().chain(rest);
        Cbor::Map(members.map(|(label, value)| (number(label), value)).collect())
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(key) => key.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(text).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
                signature
            }
        }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let kind = self.manner.kind.unwrap_or(kind);
        let data = json!({
            "type": kind, "challenge": challenge, "origin": self.manner.origin, "crossOrigin": self.manner.framed,
        });
        data.to_string().into_bytes()
    }

    fn header(&self, site: &str, flags: u8) -> Vec<u8> {
        let site = self.manner.site.as_deref().unwrap_or(site);
        let flags = (flags | PRESENT | VERIFIED) ^ self.manner.turned;
        [&Sha256::digest(site)[..], &[flags], &self.count.to_be_bytes()].concat()
    }

    /// Authenticator data with this in place of the key.
    pub fn data_with(&self, site: &str, key: &[u8]) -> Vec<u8> {
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        [&self.header(site, HAS_KEY)[..], &[0; 16], &length[..], &self.id, key].concat()
    }

    /// What `JSON.stringify()` makes of a new credential with this authenticator data.
    pub fn made(&self, challenge: &str, data: Vec<u8>) -> Value {
        let word = |text: &str| Cbor::Text(text.to_owned());
        let object = Cbor::Map(vec![
            (word("fmt"), word("none")),
            (word("attStmt"), Cbor::Map(Vec::new())),
            (word("authData"), Cbor::Bytes(data)),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        let client_data = self.client_data("webauthn.create", challenge);
        json!({
            "id": base64url(&self.id), "rawId": base64url(&self.id), "type": "public-key",
            "authenticatorAttachment": "something-new", "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "clientDataJSON": base64url(&client_data), "attestationObject": base64url(&bytes),
                "transports": ["internal", "by-owl", "hybrid"], "publicKeyAlgorithm": -7,
            },
        })
    }

    /// Does what `navigator.credentials.create()` would.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user_handle = options["user"]["id"].as_str().unwrap().to_owned();
        let mut key = Vec::new();
        ciborium::into_writer(&self.cose(), &mut key).unwrap();
        let data = self.data_with(options["rp"]["id"].as_str().unwrap(), &key);
        self.made(options["challenge"].as_str().unwrap(), data)
    }

    /// Does what `navigator.credentials.get()` would.
    pub fn get(&mut self, options: &Value) -> Value {
        self.count += u32::from(self.count > 0);
        let client_data = self.client_data("webauthn.get", options["challenge"].as_str().unwrap());
        let data = self.header(options["rpId"].as_str().unwrap(), 0);
        let signature = self.sign(&[&data[..], &Sha256::digest(&client_data)[..]].concat());
        json!({
            "id": base64url(&self.id), "rawId": base64url(&self.id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url(&client_data), "authenticatorData": base64url(&data),
                "signature": base64url(&signature), "userHandle": self.user_handle,
            },
        })
    }
}

impl Running {
    /// What somebody's browser is asked to make.
    pub async fn creation_options(&self, person: &Person) -> Value {
        self.post_by(person, "/api/v1/users/me/passkeys/options", None).await.expect(200).json()
    }

    /// Sends what somebody's browser has made.
    pub async fn keep(&self, person: &Person, credential: &Value) -> Answer {
        let body = json!({"name": "my phone", "credential": credential.to_string()});
        self.post_by(person, "/api/v1/users/me/passkeys", Some(&body)).await
    }

    /// Makes somebody a passkey on a device, and tells its id.
    pub async fn add_passkey(&self, person: &Person, device: &mut Device) -> String {
        let credential = device.create(&self.creation_options(person).await);
        self.keep(person, &credential).await.expect(201).text("/id")
    }

    /// What anybody's browser is asked to sign in with.
    pub async fn request_options(&self) -> Value {
        self.call(Method::POST, "/api/v1/auth/passkeys/options").send().await.expect(200).json()
    }

    /// Signs in with what a browser gives.
    pub async fn passkey_grant_with(&self, credential: &Value) -> Answer {
        let credential = credential.to_string();
        let fields = [("grant_type", "urn:tollgate:params:oauth:grant-type:passkey"), ("credential", &credential)];
        self.call(Method::POST, "/api/v1/auth/token").form(&fields).send().await
    }

    /// Signs in with a device.
    pub async fn passkey_grant(&self, device: &mut Device) -> Answer {
        let credential = device.get(&self.request_options().await);
        self.passkey_grant_with(&credential).await
    }
}
