//! Authorizations through the service: who gets what, once, and how an attacker gets nothing.

mod asking;
mod browsers;
mod codes;
mod consents;
mod introspection;
mod locks;
mod looking;
mod machines;
mod pending;
mod sessions;
