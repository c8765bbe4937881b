//! The whole pipeline over real sockets, against an upstream whose every byte the test writes itself.
#![expect(clippy::unwrap_used, reason = "tests")]

mod breaking;
mod harness;
mod shapes;
mod streams;
