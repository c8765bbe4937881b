//! Second factors through the service, on both back-ends.

mod keeping;
mod setup;
mod sign_in;
