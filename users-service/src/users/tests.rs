//! Users through the service, on both back-ends.

mod administration;
mod changes;
mod lists;
mod looks;
mod purge;
mod registration;
