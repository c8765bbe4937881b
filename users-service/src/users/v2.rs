//! Version 2: a user shows roles, status and times, lists go by cursor.

pub mod http;
mod model;
