//! `GET /users/me/export`: everything that is held about somebody, for them to take away.

pub mod http;
mod model;
mod rows;
mod stream;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::schema;
