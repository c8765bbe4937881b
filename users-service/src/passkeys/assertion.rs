//! What a browser gives when somebody uses a passkey (WebAuthn, section 7.2): read, and held against the stored key.

use passki::{AuthenticationCredential, ClientData, Passki, StoredPasskey};
use serde::Deserialize;
use serde_json::json;
use shared::domain::UserId;
use shared::problem::{Code, Problem};

use crate::db::entity::passkey::Model;

/// Bytes of what a browser gives. An RSA signature of 4096 bits makes it about 2 KiB.
pub(super) const LONGEST: usize = 8 * 1024;

/// The flags of authenticator data (section 6.1).
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const MORE_FOLLOWS: u8 = 0x40 | 0x80;
/// Where they stand, what comes after them, and how long authenticator data is when nothing more follows.
const FLAGS: usize = 32;
const HEADER: usize = 37;

/// What a browser has signed (section 5.8.1), read strictly where the library is not: whether there was a frame of another
/// site is a yes or a no, and only then is there a page around it. That there was none is for whoever verifies.
pub(super) fn signed_by_browser(client_data: &str) -> Option<ClientData> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Frames {
        #[serde(default)]
        cross_origin: bool,
        top_origin: Option<String>,
    }
    let frames: Frames = serde_json::from_slice(&Passki::base64_decode(client_data).ok()?).ok()?;
    let sound = frames.cross_origin || frames.top_origin.is_none();
    sound.then(|| ClientData::from_base64(client_data).ok()).flatten()
}

/// As a browser writes it, without the members that we do not go by: those may be new ones.
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
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

/// Somebody's passkey, used. What it says is worth nothing before it is verified.
pub struct Assertion {
    written: AuthenticationCredential,
    pub(super) credential_id: Vec<u8>,
    pub(super) challenge: Vec<u8>,
    /// Whose passkey the authenticator takes it for.
    pub(super) user_handle: Option<Vec<u8>>,
    flags: u8,
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertion({})", hex::encode(&self.credential_id))
    }
}

/// What a verified one tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// How often the authenticator has signed; 0: it does not count.
    pub sign_count: i64,
    /// Whether the key is on several devices by now.
    pub backed_up: bool,
}

impl Assertion {
    /// Reads the JSON that `JSON.stringify(credential)` gives; nothing for what it never gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let Written { r#type, raw_id, response } = serde_json::from_str(text).ok()?;
        let authenticator_data = Passki::base64_decode(&response.authenticator_data).ok()?;
        let flags = *authenticator_data.get(FLAGS)?;
        let whole = flags & MORE_FOLLOWS != 0 || authenticator_data.len() == HEADER;
        if r#type != "public-key" || !whole {
            return None;
        }
        let client_data = signed_by_browser(&response.client_data)?;
        let user_handle = response.user_handle.as_deref().map(Passki::base64_decode).transpose().ok()?;
        let (credential_id, challenge) =
            (Passki::base64_decode(&raw_id).ok()?, Passki::base64_decode(&client_data.challenge).ok()?);
        // Only what was read here goes on to the library.
        let written = json!({"rawId": raw_id, "response": {
            "clientDataJSON": response.client_data, "authenticatorData": response.authenticator_data,
            "signature": response.signature,
        }});
        let written = serde_json::from_value(written).ok()?;
        Some(Self { written, credential_id, challenge, user_handle, flags })
    }

    /// The same from a member of a body that has it alone, or besides a password: then nobody knows which is meant.
    ///
    /// # Errors
    /// 422 under `/credential`.
    pub fn alone(text: &str, password_too: bool) -> Result<Box<Self>, Problem> {
        let refused = |code, detail| Problem::new(Code::ValidationFailed).error("/credential", code, detail);
        if password_too {
            return Err(refused("alone", "a passkey or a password, not both"));
        }
        let assertion = Self::parse(text).map(Box::new);
        assertion.ok_or_else(|| refused("format", "what JSON.stringify() makes of a passkey that was used"))
    }

    /// Whether the authenticator has not named anybody else.
    pub(super) fn is_of(&self, user: UserId) -> bool {
        self.user_handle.as_deref().is_none_or(|handle| handle == user.as_uuid().as_bytes())
    }

    /// Holds it against the key that it says it was signed with: type, challenge, origin, no frame of another site, our site,
    /// somebody there and verified, and the signature. That its count goes up is for the transaction in which it is used.
    pub(super) fn verify(&self, party: &Passki, key: &Model) -> Option<Told> {
        let state = json!({
            "challenge": self.challenge, "allowed_credentials": [key.credential_id], "user_verification": "required",
        });
        let state = serde_json::from_value(state).ok()?;
        let mut stored = StoredPasskey::default();
        stored.credential_id.clone_from(&key.credential_id);
        stored.public_key.clone_from(&key.public_key);
        stored.algorithm = key.algorithm;
        let verified = party.finish_passkey_authentication(&self.written, &state, &stored);
        let verified = verified.inspect_err(|error| tracing::debug!(%error, "a passkey was refused")).ok()?;
        // What can be copied off a device never becomes what cannot, nor the other way round (section 6.1.3).
        let eligible = self.flags & BACKUP_ELIGIBLE != 0;
        (eligible == key.backup_eligible)
            .then(|| Told { sign_count: verified.counter.into(), backed_up: self.flags & BACKED_UP != 0 })
    }
}
