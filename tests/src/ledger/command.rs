//! What a client may ask of the ledger, as data: the model judges it, the driver sends it, the history keeps it.

mod exchange;
mod order;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::exchange::{Exchange, NewRate};
pub use self::order::{Bounds, Conditions, Order, Spoil};

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
    /// Pays in one currency, and has its worth arrive in another.
    Exchange(Exchange),
    /// Sets a rate from now on.
    SetRate(NewRate),
    /// Moves an account through its life.
    Step {
        /// Which.
        account: String,
        /// Where to.
        step: Step,
    },
    /// Reads a transfer as it stands.
    Look {
        /// Which.
        transfer: String,
    },
    /// Reads a balance.
    Balance {
        /// Of which account.
        account: String,
    },
}

/// As what somebody has seen a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seen {
    /// Its entity tag, as it was told.
    pub tag: String,
    /// Its status then.
    pub status: String,
    /// What remained of it then.
    pub remaining: Option<i64>,
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
    /// Only if the transfer that it is about still stands so.
    pub seen: Option<Seen>,
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
            Command::Exchange(_) => ("POST", format!("/exchanges{dry}")),
            Command::SetRate(_) => ("POST", "/exchange-rates".to_owned()),
            Command::Step { account, step } => ("POST", format!("/accounts/{account}/{}", step.as_str())),
            Command::Look { transfer } => ("GET", format!("/transfers/{transfer}")),
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
            Command::Exchange(_) => "exchanges",
            Command::SetRate(_) => "exchange-rates",
            Command::Step { step, .. } => step.as_str(),
            Command::Look { .. } => "transfer",
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
            Command::Exchange(exchange) => Some(exchange.body()),
            Command::SetRate(rate) => Some(rate.body()),
            Command::Void { .. } | Command::Step { .. } | Command::Look { .. } | Command::Balance { .. } => None,
        }
    }

    /// Whether it has to have a key, if it is more than a question.
    #[must_use]
    pub const fn moves_money(&self) -> bool {
        match &self.command {
            Command::Transfer(_)
            | Command::Batch { .. }
            | Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Exchange(_) => true,
            Command::SetRate(_) | Command::Step { .. } | Command::Look { .. } | Command::Balance { .. } => false,
        }
    }

    /// Whether nothing can come of it but an answer.
    #[must_use]
    pub const fn only_asks(&self) -> bool {
        self.dry_run || matches!(self.command, Command::Look { .. } | Command::Balance { .. })
    }
}

fn part(amount: Option<i64>) -> Map<String, Value> {
    amount.map(|amount| ("amount".to_owned(), json!(amount))).into_iter().collect()
}
