//! What browsers are asked, in WebAuthn's words, and passkeys as they are shown, in ours.

use aws_lc_rs::digest::{SHA256, digest};
use passki::Passki;
use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant};
use shared::domain::PasskeyId;
use shared::http::entity_tag;
use shared::http::patch::Field;
use shared::problem::{Code, Problem};
use time::OffsetDateTime;

use crate::db::entity::passkey::Model;
use crate::users::is_plain;

/// In characters.
const LONGEST_NAME: usize = 50;
/// Bytes of a digest that tell two states of a passkey apart.
const TAG: usize = 12;

/// What a browser is asked to make: `PublicKeyCredentialCreationOptionsJSON`, for
/// `PublicKeyCredential.parseCreationOptionsFromJSON()`. Its members are named as WebAuthn names them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyCreationOptions)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    /// For which site.
    pub rp: Party,
    /// For whom.
    pub user: Account,
    /// What is signed, in base64url: good once, for five minutes, in this session.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub challenge: String,
    /// Which keys are taken, the best first.
    pub pub_key_cred_params: Vec<Parameters>,
    /// How long the browser may take, in milliseconds.
    #[schema(example = 300_000)]
    pub timeout: u64,
    /// What they have already: an authenticator that has one of these makes no other.
    pub exclude_credentials: Vec<Descriptor>,
    /// What the authenticator has to be able to.
    pub authenticator_selection: Selection,
    /// Always `none`: nobody asks what make it is.
    #[schema(example = "none")]
    pub attestation: &'static str,
}

/// A site.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyParty)]
pub struct Party {
    /// The host's name.
    #[schema(example = "api.example.com")]
    pub id: String,
    /// What it is called.
    #[schema(example = "Tollgate")]
    pub name: String,
}

/// A user, as their authenticator shows them to them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyAccount)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Their id, in base64url. It says nothing about them.
    #[schema(example = "AZNvagK0fRmxyJ5_Wj1MVQ")]
    pub id: String,
    /// Their e-mail address.
    #[schema(example = "ada@example.com")]
    pub name: String,
    /// Their name, or else their user name.
    #[schema(example = "Ada Lovelace")]
    pub display_name: String,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyParameters)]
pub struct Parameters {
    /// Always `public-key`.
    #[schema(example = "public-key")]
    pub r#type: &'static str,
    /// As COSE numbers it: -8 Ed25519, -7 ES256, -257 RS256.
    #[schema(example = -7)]
    pub alg: i64,
}

/// A key that there is.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyDescriptor)]
pub struct Descriptor {
    /// Always `public-key`.
    #[schema(example = "public-key")]
    pub r#type: &'static str,
    /// What its authenticator calls it, in base64url.
    #[schema(example = "q83vEjRWeJCrze8SNFZ4kA")]
    pub id: String,
    /// How that is reached, where the browser has said.
    #[schema(example = json!(["internal", "hybrid"]))]
    pub transports: Vec<String>,
}

/// What an authenticator has to be able to.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeySelection)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Always `required`: it knows by itself whose key it is.
    #[schema(example = "required")]
    pub resident_key: &'static str,
    /// The same for browsers of before.
    pub require_resident_key: bool,
    /// Always `required`: it knows its owner, by a finger or a number.
    #[schema(example = "required")]
    pub user_verification: &'static str,
}

/// What a browser is asked to sign: `PublicKeyCredentialRequestOptionsJSON`, for
/// `PublicKeyCredential.parseRequestOptionsFromJSON()`. Its members are named as WebAuthn names them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyRequestOptions)]
#[serde(rename_all = "camelCase")]
pub struct RequestOptions {
    /// What is signed, in base64url: good once, for five minutes.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub challenge: String,
    /// How long the browser may take, in milliseconds.
    #[schema(example = 300_000)]
    pub timeout: u64,
    /// For which site.
    #[schema(example = "api.example.com")]
    pub rp_id: String,
    /// With which keys; none: with any that the browser finds.
    pub allow_credentials: Vec<Descriptor>,
    /// Always `required`.
    #[schema(example = "required")]
    pub user_verification: &'static str,
}

/// A passkey to be kept.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRequest {
    /// What you call it.
    #[schema(example = "my phone", min_length = 1, max_length = 50)]
    pub name: String,
    /// What `JSON.stringify()` makes of the credential that `navigator.credentials.create()` gives.
    #[schema(example = "{\"id\": \"q83v…\", \"rawId\": \"q83v…\", \"type\": \"public-key\", \"response\": {…}}")]
    pub credential: String,
}

/// Changes to a passkey.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyPatch {
    /// What you call it; cannot be cleared by null.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "my old phone", min_length = 1, max_length = 50)]
    pub name: Field<String>,
}

/// A passkey, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Passkey)]
pub struct PasskeyView {
    /// Id.
    pub id: PasskeyId,
    /// What its owner calls it.
    #[schema(example = "my phone")]
    pub name: String,
    /// Whether it was on more than one device when it was last used.
    pub synced: bool,
    /// When it was made.
    #[serde(with = "instant")]
    pub created_at: OffsetDateTime,
    /// When it was last used; null: never.
    #[serde(with = "instant::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// Somebody's passkeys.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Passkeys)]
pub struct PasskeysView {
    /// Each of them, the oldest first.
    pub data: Vec<PasskeyView>,
}

impl From<Model> for PasskeyView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            synced: row.backed_up,
            created_at: from_micros(row.created_at),
            last_used_at: row.last_used_at.map(from_micros),
        }
    }
}

impl PasskeyView {
    /// What tells this state of it from another.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn tag(&self) -> Result<String, Problem> {
        let shown = serde_json::to_vec(self).map_err(Problem::internal)?;
        Ok(entity_tag(hex::encode(&digest(&SHA256, &shown).as_ref()[..TAG])))
    }
}

impl From<&Model> for Descriptor {
    fn from(row: &Model) -> Self {
        Self {
            r#type: "public-key",
            id: Passki::base64_encode(&row.credential_id),
            transports: row.transports.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// A name, without the blanks around it.
///
/// # Errors
/// 422 under `/name`.
pub(super) fn named(text: &str) -> Result<&str, Problem> {
    let name = text.trim();
    let refused = |code, detail| Err(Problem::new(Code::ValidationFailed).error("/name", code, detail));
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        return refused("length", "1 to 50 characters");
    }
    if !is_plain(name) {
        return refused("format", "no characters that cannot be seen");
    }
    Ok(name)
}
