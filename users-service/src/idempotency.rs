//! Idempotency keys: the answer is written in the transaction of the change it tells of, and told again byte for byte.

mod answer;
mod claim;
mod once;
mod store;

pub use answer::Answer;
pub use claim::IdempotencyKey;
pub use once::{once, replay};
pub use store::{forget, registration, sweep};
