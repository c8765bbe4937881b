//! Exchanges: a payment in one currency and its worth in another, both or neither, at a rate that a treasurer has set.
//!
//! [`rate`] is the arithmetic, exact to the last digit; the posting engine decides and writes ([`crate::posting`]), so that
//! the rate is the one in force at the commit.

mod body;
mod error;
pub mod http;
mod model;
mod ops;
pub mod rate;
mod rates;
mod store;

pub use body::{NewExchange, NewExchangeRate};
pub use model::{ExchangeBody, ExchangeRateBody};
