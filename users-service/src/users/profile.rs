//! What users tell about themselves: read and replaced as a whole under `/users/me/profile`, merge-patched in version 2.

mod changes;
pub mod http;
mod model;
mod ops;
mod request;

pub use changes::ProfileChanges;
pub use model::{Address, Profile};
pub use request::{NESTED, Object, ProfilePatch, TOP};

#[cfg(test)]
mod tests;
