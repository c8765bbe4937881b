//! Version 1: a user is `{id, email, username, name}`, lists have numbered pages.

pub mod http;
mod model;

pub(in crate::users) use model::Names;
