//! What a browser gives when somebody makes a passkey (WebAuthn, section 7.1): read, and held against what was asked.

use ciborium::Value;
use ciborium::de::from_reader_with_recursion_limit;
use passki::Passki;
use serde::Deserialize;
use serde_json::json;

use super::assertion::signed_by_browser;
use super::cose;

/// Bytes of what a browser gives. Without a statement about the authenticator's make it is about 2 KiB; browsers may send one
/// that nobody asked for.
pub(super) const LONGEST: usize = 16 * 1024;

/// Levels of CBOR: ours has three.
const DEEPEST: usize = 8;

/// Bytes of a credential's id (section 4).
const LONGEST_ID: usize = 1023;
/// Words of how an authenticator is reached; more are nobody's.
const MOST_TRANSPORTS: usize = 8;
const TRANSPORTS: [&str; 6] = ["usb", "nfc", "ble", "smart-card", "hybrid", "internal"];

/// Where authenticator data holds the length of the credential's id, and where that begins.
const ID_LENGTH: usize = 53;
const ID: usize = 55;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    r#type: String,
    raw_id: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Option<Vec<String>>,
}

/// A passkey that somebody has made. What it says is worth nothing before it is verified.
pub(super) struct Made {
    raw_id: String,
    client_data: String,
    authenticator_data: Vec<u8>,
    transports: Vec<&'static str>,
    algorithm: i32,
    pub challenge: Vec<u8>,
}

/// A verified one, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewPasskey {
    pub credential_id: Vec<u8>,
    pub public_key: Vec<u8>,
    pub algorithm: i32,
    pub sign_count: i64,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub transports: String,
}

impl Made {
    /// Reads the JSON that `JSON.stringify(credential)` gives; nothing for what it never gives, and for keys that were not
    /// asked for.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let Written { r#type, raw_id, response } = serde_json::from_str(text).ok()?;
        let object = whole(&Passki::base64_decode(&response.attestation_object).ok()?)?;
        let authenticator_data = member(&object, "authData")?.as_bytes()?.clone();
        let algorithm = cose::algorithm(&key_in(&authenticator_data)?)?;
        let challenge = signed_by_browser(&response.client_data)?.challenge;
        let challenge = Passki::base64_decode(&challenge).ok()?;
        let told = response.transports.unwrap_or_default();
        let transports =
            TRANSPORTS.into_iter().filter(|known| told.iter().take(MOST_TRANSPORTS).any(|word| word == known));
        let transports = transports.collect();
        let Response { client_data, .. } = response;
        (r#type == "public-key").then_some(Self {
            raw_id,
            client_data,
            authenticator_data,
            transports,
            algorithm,
            challenge,
        })
    }

    /// Holds it against what was asked: type, challenge, origin, no frame of another site, our site, somebody there and verified.
    pub fn verify(&self, party: &Passki) -> Option<NewPasskey> {
        let state = json!({
            "challenge": self.challenge, "user": {"id": "", "name": "", "displayName": ""},
            "user_verification": "required",
        });
        // Nobody has asked what make the authenticator is, and nobody would believe it: a statement about it is not even
        // read. What counts is in the authenticator's data.
        let word = |text: &str| Value::Text(text.to_owned());
        let plain = Value::Map(vec![
            (word("fmt"), word("none")),
            (word("attStmt"), Value::Map(Vec::new())),
            (word("authData"), Value::Bytes(self.authenticator_data.clone())),
        ]);
        let mut object = Vec::new();
        ciborium::into_writer(&plain, &mut object).ok()?;
        let written = json!({"rawId": self.raw_id, "response": {
            "clientDataJSON": self.client_data, "attestationObject": Passki::base64_encode(&object),
        }});
        let (written, state) = (serde_json::from_value(written).ok()?, serde_json::from_value(state).ok()?);
        let verified = party.finish_passkey_registration(&written, &state);
        let verified = verified.inspect_err(|error| tracing::debug!(%error, "a new passkey was refused")).ok()?;
        let sound = (1..=LONGEST_ID).contains(&verified.credential_id.len()) && verified.algorithm == self.algorithm;
        sound.then(|| NewPasskey {
            credential_id: verified.credential_id,
            public_key: verified.public_key,
            algorithm: self.algorithm,
            sign_count: verified.counter.into(),
            backup_eligible: verified.be,
            backed_up: verified.bs,
            transports: self.transports.join(" "),
        })
    }
}

/// One CBOR map, with nothing behind it.
fn whole(bytes: &[u8]) -> Option<Vec<(Value, Value)>> {
    let mut rest = bytes;
    let value: Value = from_reader_with_recursion_limit(&mut rest, DEEPEST).ok()?;
    if rest.is_empty() { value.into_map().ok() } else { None }
}

fn member<'m>(map: &'m [(Value, Value)], name: &str) -> Option<&'m Value> {
    map.iter().find(|(word, _)| word.as_text() == Some(name)).map(|(_, value)| value)
}

/// The key in authenticator data (section 6.5.1). What follows it is read, too, so that nothing goes on to the library that is
/// deeper than its stack.
fn key_in(authenticator_data: &[u8]) -> Option<Value> {
    let length = authenticator_data.get(ID_LENGTH..ID)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let mut rest = authenticator_data.get(ID + length..)?;
    let key = from_reader_with_recursion_limit(&mut rest, DEEPEST).ok()?;
    if !rest.is_empty() {
        whole(rest)?;
    }
    Some(key)
}
