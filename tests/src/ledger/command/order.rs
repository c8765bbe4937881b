//! An order for a transfer, sound or spoiled, and what must hold for it to be made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What must hold of a resulting balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// Above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<i64>,
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<i64>,
    /// Exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<i64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<i64>,
    /// Below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<i64>,
}

/// What must hold for a transfer to be made at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// On the debit account's resulting balance.
    pub debit_balance: Bounds,
    /// On the credit account's resulting balance.
    pub credit_balance: Bounds,
    /// The debit account's version as it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debit_version: Option<i64>,
}

impl Conditions {
    /// None at all.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What makes a body one that is refused before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoil {
    /// The amount is a text.
    AmountIsText,
    /// A member that nobody knows.
    UnknownMember,
    /// A reference of no characters.
    EmptyReference,
    /// An end of a hold that is none.
    ExpiryWithoutPending,
}

impl Spoil {
    /// What is answered.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AmountIsText => "malformed_body",
            Self::UnknownMember | Self::EmptyReference | Self::ExpiryWithoutPending => "validation_failed",
        }
    }
}

/// A transfer that may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Who pays.
    pub debit: String,
    /// Who receives.
    pub credit: String,
    /// Minor units; also what no transfer may have.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Names the order among all that were ever sent; travels as its description.
    pub tag: String,
    /// The client's own reference.
    pub reference: Option<String>,
    /// Whether it only holds.
    pub pending: bool,
    /// Seconds that it holds; none: for ever.
    pub expires_in: Option<u32>,
    /// What must hold.
    pub conditions: Conditions,
    /// What is wrong with its body.
    pub spoiled: Option<Spoil>,
}

impl Order {
    /// A plain one in US dollars.
    #[must_use]
    pub fn usd(debit: &str, credit: &str, amount: i64) -> Self {
        Self {
            debit: debit.to_owned(),
            credit: credit.to_owned(),
            amount,
            currency: "USD".to_owned(),
            tag: String::new(),
            reference: None,
            pending: false,
            expires_in: None,
            conditions: Conditions::default(),
            spoiled: None,
        }
    }

    /// The same, named.
    #[must_use]
    pub fn tagged(self, tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), ..self }
    }

    /// The body of `POST /transfers`. What is not asked for is not sent.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        set("debit_account_id", json!(self.debit));
        set("credit_account_id", json!(self.credit));
        set("amount", json!(self.amount));
        set("currency", json!(self.currency));
        if !self.tag.is_empty() {
            set("description", json!(self.tag));
        }
        if let Some(reference) = &self.reference {
            set("external_ref", json!(reference));
        }
        if self.pending {
            set("pending", json!(true));
        }
        if let Some(seconds) = self.expires_in {
            set("expires_in", json!(seconds));
        }
        if !self.conditions.are_none() {
            set("preconditions", json!(self.conditions));
        }
        match self.spoiled {
            None => {}
            Some(Spoil::AmountIsText) => set("amount", json!(self.amount.to_string())),
            Some(Spoil::UnknownMember) => set("ammount", json!(self.amount)),
            Some(Spoil::EmptyReference) => set("external_ref", json!("")),
            Some(Spoil::ExpiryWithoutPending) => {
                set("pending", json!(false));
                set("expires_in", json!(60));
            }
        }
        Value::Object(body)
    }
}
