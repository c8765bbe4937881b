//! What a client may ask of the ledger, as data: the model judges it, the driver sends it, the history keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What somebody may do besides what is their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing.
    Customer,
    /// Reads all accounts, moves them through their lives, debits system accounts, settles anybody's holds.
    Treasurer,
    /// Reads all accounts and moves them through their lives.
    Admin,
}

impl Role {
    /// Whether they read accounts and transfers of others.
    #[must_use]
    pub const fn reads_all(self) -> bool {
        matches!(self, Self::Treasurer | Self::Admin)
    }

    /// Whether they freeze, unfreeze and close accounts of others.
    #[must_use]
    pub const fn operates(self) -> bool {
        self.reads_all()
    }

    /// Whether system accounts are theirs to debit.
    #[must_use]
    pub const fn treasury(self) -> bool {
        matches!(self, Self::Treasurer)
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The user's id.
    pub user: String,
    /// By what right.
    pub role: Role,
}

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

/// How the orders of a batch hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each on its own.
    Independent,
    /// All or none.
    Atomic,
}

/// The next step in an account's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// No more debits.
    Freeze,
    /// Debits again.
    Unfreeze,
    /// The end, of an empty account.
    Close,
}

impl Step {
    /// The last part of its path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Close => "close",
        }
    }
}

/// What is asked.
#[expect(clippy::large_enum_variant, reason = "most of them are the large ones")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Command {
    /// A single transfer, or hold.
    Transfer(Order),
    /// Many under one key.
    Batch {
        /// How they hang together.
        mode: Mode,
        /// In their order.
        orders: Vec<Order>,
    },
    /// Posts what is held, or a part of it.
    Post {
        /// The pending transfer.
        of: String,
        /// How much; none: all that is left.
        amount: Option<i64>,
        /// Whether the rest is let go.
        release: bool,
    },
    /// Lets go of what is held.
    Void {
        /// The pending transfer.
        of: String,
    },
    /// Gives back what was posted, or a part of it.
    Reverse {
        /// The posted transfer.
        of: String,
        /// How much; none: all that is left.
        amount: Option<i64>,
        /// Names it, as an order's does.
        tag: String,
    },
    /// Moves an account through its life.
    Step {
        /// Which.
        account: String,
        /// Where to.
        step: Step,
    },
    /// Reads a balance.
    Balance {
        /// Of which account.
        account: String,
    },
}

/// One request: who asks what, under which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub who: Caller,
    /// Under which key.
    pub key: Option<String>,
    /// Whether it only asks what would happen.
    pub dry_run: bool,
    /// What.
    pub command: Command,
}

impl Request {
    /// The method, and the path below `/api/v1` with its query.
    #[must_use]
    pub fn target(&self) -> (&'static str, String) {
        let dry = if self.dry_run { "?dry_run=true" } else { "" };
        match &self.command {
            Command::Transfer(_) => ("POST", format!("/transfers{dry}")),
            Command::Batch { .. } => ("POST", format!("/transfers/batch{dry}")),
            Command::Post { of, .. } => ("POST", format!("/transfers/{of}/post{dry}")),
            Command::Void { of } => ("POST", format!("/transfers/{of}/void{dry}")),
            Command::Reverse { of, .. } => ("POST", format!("/transfers/{of}/reverse{dry}")),
            Command::Step { account, step } => ("POST", format!("/accounts/{account}/{}", step.as_str())),
            Command::Balance { account } => ("GET", format!("/accounts/{account}")),
        }
    }

    /// What a key is good for, besides its caller: the route.
    #[must_use]
    pub const fn route(&self) -> &'static str {
        match &self.command {
            Command::Transfer(_) => "transfers",
            Command::Batch { .. } => "batch",
            Command::Post { .. } => "post",
            Command::Void { .. } => "void",
            Command::Reverse { .. } => "reverse",
            Command::Step { step, .. } => step.as_str(),
            Command::Balance { .. } => "account",
        }
    }

    /// The body, where there is one.
    #[must_use]
    pub fn body(&self) -> Option<Value> {
        match &self.command {
            Command::Transfer(order) => Some(order.body()),
            Command::Batch { mode, orders } => {
                Some(json!({"mode": mode, "transfers": orders.iter().map(Order::body).collect::<Vec<_>>()}))
            }
            Command::Post { amount, release, .. } => {
                let mut body = part(*amount);
                if *release {
                    body.insert("release_remainder".to_owned(), json!(true));
                }
                Some(Value::Object(body))
            }
            Command::Reverse { amount, tag, .. } => {
                let mut body = part(*amount);
                if !tag.is_empty() {
                    body.insert("description".to_owned(), json!(tag));
                }
                Some(Value::Object(body))
            }
            Command::Void { .. } | Command::Step { .. } | Command::Balance { .. } => None,
        }
    }

    /// Whether nothing can come of it but an answer.
    #[must_use]
    pub const fn only_asks(&self) -> bool {
        self.dry_run || matches!(self.command, Command::Balance { .. })
    }
}

fn part(amount: Option<i64>) -> Map<String, Value> {
    amount.map(|amount| ("amount".to_owned(), json!(amount))).into_iter().collect()
}
