//! The whole pipeline over real sockets, against an upstream whose every byte the test writes itself.

mod breaking;
mod cache;
mod compression;
mod configuration;
mod corpus;
mod credentials;
mod crowds;
mod described;
mod expect;
mod forwarding;
pub(crate) mod harness;
mod keys;
mod late;
mod leaves;
mod limits;
mod metrics;
mod operators;
mod reloading;
mod repeating;
mod shapes;
mod spreading;
mod strangers;
mod streams;
pub(crate) mod stub;
mod tls;
mod validate;
mod websocket;
