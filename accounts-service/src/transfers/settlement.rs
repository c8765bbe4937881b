//! What may be done to a transfer: posting and voiding what it holds, and paying back what it moved.

pub mod http;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::{Amount, Permission, TransferId};
use shared::problem::{Code, Problem};
use shared::wire::RawAmount;
use shared::wire::idempotency::Key;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{memo, metadata, ops};
use crate::accounts::may_see_all;
use crate::app::App;
use crate::idempotency::{cut, digest};
use crate::posting::{Answer, Asker, Command, Decided, Draft, Memo, Seen};

/// How to post what is held.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPosting {
    /// Minor units, at most what is still held; all of it when absent.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
    pub amount: Option<RawAmount>,
    /// Whether what is held beyond the amount is let go. Else it stays held, for another post.
    #[serde(default)]
    pub release_remainder: bool,
}

/// How to pay a transfer back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReversal {
    /// Minor units, at most what has not been paid back yet; all of that when absent.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
    pub amount: Option<RawAmount>,
    /// For people, up to 500 characters.
    #[serde(default)]
    pub description: Option<String>,
    /// A JSON object of the client's own, up to 8 KiB and 16 levels, no member twice.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
}

/// `null` is no amount: whoever has lost theirs does not mean everything.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RawAmount>, D::Error> {
    RawAmount::deserialize(from).map(Some)
}

/// What is done, and how.
#[derive(Debug)]
pub enum Wish {
    /// Post it.
    Post(NewPosting),
    /// Void it.
    Void,
    /// Reverse it.
    Reverse(NewReversal),
}

impl Wish {
    /// The route's key scope.
    const fn route(&self) -> &'static str {
        match self {
            Self::Post(_) => "POST /transfers/{id}/post",
            Self::Void => "POST /transfers/{id}/void",
            Self::Reverse(_) => "POST /transfers/{id}/reverse",
        }
    }

    /// The rules on texts that their types do not hold: part of the body's shape.
    fn check(&self) -> Result<(), Problem> {
        match self {
            Self::Post(_) | Self::Void => Ok(()),
            Self::Reverse(new) => {
                memo::refused(memo::faults(new.description.as_deref(), None))?;
                new.metadata.as_deref().map_or(Ok(()), metadata::check)
            }
        }
    }

    /// What was asked of which transfer, whatever the order of members and the spacing of the body.
    fn fingerprint(&self, of: TransferId) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(of.as_uuid());
        let mut amount = |amount: Option<RawAmount>| {
            hash.update([u8::from(amount.is_some())]);
            hash.update(amount.map_or(0, RawAmount::get).to_be_bytes());
        };
        match self {
            Self::Post(new) => {
                amount(new.amount);
                hash.update([u8::from(new.release_remainder)]);
            }
            Self::Void => {}
            Self::Reverse(new) => {
                amount(new.amount);
                memo::feed_text(&mut hash, new.description.as_deref());
                memo::feed_metadata(&mut hash, new.metadata.as_deref());
            }
        }
        cut(hash)
    }

    /// The draft, or 422 `amount_out_of_range`, which no transfer has to be looked at for.
    fn draft(self, Target { of, seen }: Target, who: &SignedIn, id: TransferId) -> Result<Draft, Problem> {
        let by =
            Asker { user: who.user.id, treasurer: who.may(Permission::AccountsTreasury), reads_all: may_see_all(who) };
        let (command, memo) = match self {
            Self::Post(NewPosting { amount, release_remainder: release }) => {
                (Command::Post { of, amount: within(amount)?, release, by, seen }, Memo::default())
            }
            Self::Void => (Command::Void { of, by, seen }, Memo::default()),
            Self::Reverse(NewReversal { amount, description, metadata }) => {
                let (description, metadata) = (description.map(Into::into), metadata.map(Into::into));
                (
                    Command::Reverse { of, amount: within(amount)?, by, seen },
                    Memo { description, external_ref: None, metadata },
                )
            }
        };
        Ok(Draft { id, command, memo })
    }
}

fn within(amount: Option<RawAmount>) -> Result<Option<Amount>, Problem> {
    amount.map(RawAmount::amount).transpose().map_err(|_| Problem::new(Code::AmountOutOfRange))
}

/// Which transfer something is to be done to, and as what the caller has seen it.
struct Target {
    of: TransferId,
    seen: Seen,
}

/// Carries a wish out under a key. As what the transfer was seen is no part of what is asked under the key: whoever asks
/// again learns how it ended, although the transfer has changed by it.
async fn carry_out(app: &App, who: &SignedIn, key: &Key, at: Target, wish: Wish) -> Result<Answer, Problem> {
    let (key, fingerprint) = (digest(who.user.id, wish.route(), key), wish.fingerprint(at.of));
    ops::judged(app, key, fingerprint, wish.draft(at, who, TransferId::generate(&app.clock))).await
}

/// Decides on what is committed now, and changes nothing. A key is not needed; one that is another request's is refused.
async fn try_out(app: &App, who: &SignedIn, key: Option<Key>, at: Target, wish: Wish) -> Result<Decided, Problem> {
    let key = key.map(|key| (digest(who.user.id, wish.route(), &key), wish.fingerprint(at.of)));
    ops::tried(app, key, || wish.draft(at, who, TransferId::generate(&app.clock))).await
}
