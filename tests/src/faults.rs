//! Things that go wrong on purpose: a proxy that misbehaves, an upstream that records, bytes no client would send.

mod proxy;
mod raw;
mod upstream;

pub use self::proxy::{Fault, Proxy};
pub use self::raw::{exchange, post_with};
pub use self::upstream::{Play, Recorded, Upstream};
