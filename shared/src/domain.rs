//! The nouns both services speak: money, currencies, typed ids, roles, permissions and paging.

mod id;
mod money;
pub mod paging;
mod permission;
mod role;

pub use id::{
    AccountId, ApiKeyId, ClientId, EventId, ExchangeId, ExchangeRateId, LinkId, MailId, PasskeyId, SessionId,
    StandingOrderId, TransferId, UserId,
};
pub use money::{Amount, AmountOutOfRange, Currency, MAX_AMOUNT, Money, UnknownCurrency};
pub use permission::{Permission, Permissions, UnknownPermission};
pub use role::{Role, Roles, UnknownRole};
