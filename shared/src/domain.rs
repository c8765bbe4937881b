//! The nouns both services speak: money, currencies, typed ids, roles and paging.

mod id;
mod money;
pub mod paging;
mod role;

pub use id::{AccountId, ApiKeyId, ClientId, EventId, LinkId, MailId, SessionId, TransferId, UserId};
pub use money::{Amount, AmountOutOfRange, Currency, MAX_AMOUNT, Money, UnknownCurrency};
pub use role::{Role, Roles, UnknownRole};
