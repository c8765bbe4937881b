//! Things that go wrong on purpose: a proxy that misbehaves, an upstream that records, bytes no client would send.

mod play;
mod postgres;
mod proxy;
mod raw;
mod tap;
mod upstream;

pub use self::play::Play;
pub use self::postgres::{PostgresProxy, Trouble};
pub use self::proxy::{Fault, Proxy};
pub use self::raw::{exchange, post_with};
pub use self::upstream::{Recorded, Upstream};
