//! Accounts as the API takes and shows them.

use serde::{Deserialize, Serialize};
use shared::clock;
use shared::domain::{AccountId, Currency, MAX_AMOUNT, UserId};
use shared::http::patch::Field;
use shared::problem::{Code, Problem};
use shared::wire::RawAmount;
use utoipa::ToSchema;

use super::labels::{LabelPatch, Labels};
use super::store::Shown;
use crate::posting::Kind;

/// Characters of an account's name.
const MAX_NAME: usize = 100;

/// An account to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// 1 to 100 characters.
    #[schema(example = "Everyday")]
    pub name: Name,
    /// ISO 4217.
    #[schema(value_type = String, format = "iso-4217", example = "USD")]
    pub currency: Currency,
    /// `system` accounts may go below zero; only a treasurer opens them.
    #[serde(default = "user_kind")]
    pub kind: Kind,
}

const fn user_kind() -> Kind {
    Kind::User
}

/// A merge patch of an account (RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// A new name; it cannot be cleared.
    #[serde(default)]
    #[schema(value_type = Name, required = false)]
    pub name: Field<Name>,
    /// A merge patch of the labels: `null` takes one away, or all. Up to 16 remain; names are 1 to 40 of `a-z 0-9 _ . -`,
    /// values 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>, required = false)]
    pub labels: Field<LabelPatch>,
    /// The least that may be available; `null`: no bound. Treasurer or admin; below zero and `null`: treasurer.
    #[serde(default)]
    #[schema(value_type = Option<i64>, required = false, minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    pub floor: Field<RawAmount>,
    /// The most that the balance may be; `null`: no bound. Treasurer or admin.
    #[serde(default)]
    #[schema(value_type = Option<i64>, required = false, minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    pub ceiling: Field<RawAmount>,
}

/// What a patch asks for: `None` keeps, and inside, `None` clears.
#[derive(Debug, Default)]
pub struct Change {
    /// A new name.
    pub name: Option<String>,
    /// Other labels.
    pub labels: Option<Option<LabelPatch>>,
    /// Another floor.
    pub floor: Option<Option<i64>>,
    /// Another ceiling.
    pub ceiling: Option<Option<i64>>,
}

impl Change {
    /// Whether it is about what only officers change.
    #[must_use]
    pub const fn bounds(&self) -> bool {
        self.floor.is_some() || self.ceiling.is_some()
    }

    /// Whether it is about what only the owner changes.
    #[must_use]
    pub const fn words(&self) -> bool {
        self.name.is_some() || self.labels.is_some()
    }
}

/// An account's name: 1 to 100 characters, no control characters, no blanks around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(pattern = r"^[^\s\p{Cc}]([^\p{Cc}]{0,98}[^\s\p{Cc}])?$")]
pub struct Name(String);

impl Name {
    /// The text.
    #[must_use]
    pub fn into_inner(self) -> String {
        self.0
    }
}

/// Text that is no name.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a name has 1 to {MAX_NAME} characters, no control characters and no blanks around it")]
pub struct InvalidName;

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let sound = (1..=MAX_NAME).contains(&text.chars().count())
            && text.trim().len() == text.len()
            && !text.chars().any(char::is_control);
        if sound { Ok(Self(text)) } else { Err(InvalidName) }
    }
}

/// An account, as the API shows it. Amounts are minor units: divide by ten to the `exponent` for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub owner_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// `user` or `system`.
    #[schema(value_type = Kind)]
    pub kind: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Decimals of the currency's major unit.
    #[schema(example = 2)]
    pub exponent: u8,
    /// `open`, `frozen` or `closed`.
    pub status: String,
    /// Everything posted.
    pub balance: i64,
    /// What pending debits claim at this moment.
    pub held: i64,
    /// Balance less held: what can be spent.
    pub available: i64,
    /// The least that may be available; `null`: no bound.
    pub floor: Option<i64>,
    /// The most the balance may be; `null`: no bound.
    pub ceiling: Option<i64>,
    /// Its owner's labels.
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
    /// Counts every change, postings included; the `ETag` is made of it.
    pub version: i64,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    #[serde(skip)]
    etag: String,
}

impl AccountBody {
    /// From its row; a currency that is none of ISO 4217, or labels that are none, are a fault of ours.
    pub fn of(shown: impl Into<Shown>) -> Result<Self, Problem> {
        let shown: Shown = shown.into();
        let (etag, held) = (shown.etag(), shown.held());
        let row = shown.account;
        let currency: Currency = row.currency.parse().map_err(|_| Problem::internal("accounts.currency"))?;
        let labels = Labels::read(row.label_text.as_deref()).map_err(|_| Problem::internal("accounts.label_text"))?;
        Ok(Self {
            id: row.id.into(),
            owner_id: row.owner_id.into(),
            name: row.name,
            kind: row.kind,
            currency: row.currency,
            exponent: currency.exponent(),
            status: row.status,
            balance: row.balance,
            held,
            available: row.balance - held,
            floor: row.floor,
            ceiling: row.ceiling,
            labels,
            version: row.version,
            created_at: clock::rfc3339(clock::from_micros(row.created_at)),
            updated_at: clock::rfc3339(clock::from_micros(row.updated_at)),
            etag,
        })
    }

    /// Its entity tag.
    #[must_use]
    pub fn etag(&self) -> String {
        self.etag.clone()
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The wish of a patch; `null` is refused for what cannot be cleared.
pub fn change(patch: AccountPatch) -> Result<Change, Problem> {
    let bound = |pointer: &'static str| {
        move |value: RawAmount| {
            let within = i64::try_from(value.get()).ok().filter(|value| (-MAX_AMOUNT..=MAX_AMOUNT).contains(value));
            let detail = || format!("{} to {MAX_AMOUNT}", -MAX_AMOUNT);
            within.ok_or_else(|| Problem::new(Code::ValidationFailed).error(pointer, "range", detail()))
        }
    };
    Ok(Change {
        name: patch.name.required("/name")?.map(Name::into_inner),
        labels: patch.labels.optional(),
        floor: patch.floor.try_map(bound("/floor"))?.optional(),
        ceiling: patch.ceiling.try_map(bound("/ceiling"))?.optional(),
    })
}

/// Refuses a word that is none of `allowed`, as a query parameter's value.
pub fn one_of(name: &'static str, value: Option<&str>, allowed: &[&str]) -> Result<Option<String>, Problem> {
    match value {
        None => Ok(None),
        Some(word) if allowed.contains(&word) => Ok(Some(word.to_owned())),
        Some(_) => Err(Problem::new(Code::ValidationFailed).error(
            format!("?{name}"),
            "one_of",
            format!("one of {}", allowed.join(", ")),
        )),
    }
}
