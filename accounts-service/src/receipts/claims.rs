//! What a receipt says: who vouches, when, for which transfer, what was recorded, and where in the chain.

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use shared::clock;
use shared::domain::{AccountId, Currency, TransferId};

use super::store::Place;
use crate::posting::Recorded;
use crate::transfers::model::Transfer;

/// `typ` of a receipt: nothing else that is signed can pass for one, nor one for anything else (RFC 8725, section 3.11).
pub const TYPE: &str = "tollgate-receipt+jwt";

/// The version of the format.
pub const VERSION: u32 = 1;

/// The payload. Two receipts of one transfer differ in `iat`, and in what the operator changed: who vouches, the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who vouches: the setting `receipts.issuer`.
    pub iss: String,
    /// When it was signed, in seconds since the Unix epoch.
    pub iat: i64,
    /// The transfer's id.
    pub sub: TransferId,
    /// Of this format.
    pub version: u32,
    /// What was recorded.
    pub transfer: Facts,
    /// Where.
    pub chain: Link,
}

/// What never changes of a transfer, named as the API names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The account that pays.
    pub debit_account_id: AccountId,
    /// The account that receives.
    pub credit_account_id: AccountId,
    /// Minor units of the currency.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
    /// What the commit did: `posted`, `pending` (held) or `voided` (let go). What became of a pending one is another transfer's.
    pub kind: Kind,
    /// The pending transfer that this one posts or voids.
    #[serde(deserialize_with = "present")]
    pub pending_of: Option<TransferId>,
    /// The transfer that this one pays back.
    #[serde(deserialize_with = "present")]
    pub reversal_of: Option<TransferId>,
    /// The client's own reference.
    #[serde(deserialize_with = "present")]
    pub external_ref: Option<String>,
    /// SHA-256, in hexadecimal, over the UTF-8 bytes of the description: of its text, not of its JSON.
    #[serde(deserialize_with = "present")]
    pub description_sha256: Option<String>,
    /// SHA-256, in hexadecimal, over the UTF-8 bytes of `metadata` as the transfer's JSON has it: from `{` to `}`, as it was sent.
    #[serde(deserialize_with = "present")]
    pub metadata_sha256: Option<String>,
    /// When a pending transfer lets go by itself.
    #[serde(deserialize_with = "present")]
    pub expires_at: Option<String>,
    /// When money moved.
    #[serde(deserialize_with = "present")]
    pub posted_at: Option<String>,
    /// When it was recorded.
    pub created_at: String,
}

/// What the commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Money moved.
    Posted,
    /// Money is held.
    Pending,
    /// What was held is let go.
    Voided,
}

/// The link of the hash chain that holds the transfer. A ledger that was rewritten has another hash at this place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The transfer's place in the order of commit.
    pub position: i64,
    /// The number of its batch; counts from 1 without gaps.
    pub batch: i64,
    /// The batch's first place.
    pub first_position: i64,
    /// Its last.
    pub last_position: i64,
    /// How its hash was computed.
    pub format: i16,
    /// The chain's hash with it, in hexadecimal: it stands for everything that was recorded up to here.
    pub hash: String,
}

/// A member that may be `null` and must not be absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

impl From<Recorded> for Kind {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Posted => Self::Posted,
            Recorded::Pending => Self::Pending,
            Recorded::Voided => Self::Voided,
        }
    }
}

impl Claims {
    /// Of a transfer at its place, vouched for by `issuer` at `iat`.
    #[must_use]
    pub fn of(transfer: &Transfer, place: &Place, issuer: &str, iat: i64) -> Self {
        Self {
            iss: issuer.to_owned(),
            iat,
            sub: transfer.decided.record.id,
            version: VERSION,
            transfer: Facts::of(transfer),
            chain: Link {
                position: place.position,
                batch: place.batch_no,
                first_position: place.first_position,
                last_position: place.last_position,
                format: place.format,
                hash: hex::encode(&place.hash),
            },
        }
    }
}

impl Facts {
    fn of(transfer: &Transfer) -> Self {
        let (record, memo) = (&transfer.decided.record, &transfer.decided.memo);
        let created_at = clock::rfc3339(clock::from_micros(transfer.at));
        Self {
            debit_account_id: record.debit,
            credit_account_id: record.credit,
            amount: record.amount.get(),
            currency: record.currency,
            kind: record.status.into(),
            pending_of: record.pending_of,
            reversal_of: record.reversal_of,
            external_ref: memo.external_ref.as_deref().map(str::to_owned),
            description_sha256: memo.description.as_deref().map(digest),
            metadata_sha256: memo.metadata.as_deref().map(|raw| digest(raw.get())),
            expires_at: record.expires_at.map(|at| clock::rfc3339(clock::from_micros(at))),
            posted_at: (record.status == Recorded::Posted).then(|| created_at.clone()),
            created_at,
        }
    }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
