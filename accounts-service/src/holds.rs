//! What time does to holds, for whoever is not a transfer: an account that is closed or gets other bounds, and the
//! sweeper, for accounts that nobody touches.

mod lapse;
mod sweep;

pub use lapse::{Settled, settle};
pub use sweep::{keep_sweeping, sweep};
