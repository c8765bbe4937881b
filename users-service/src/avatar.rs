//! Avatars: taken as they are sent, made small in the background, shown in three sizes.

pub mod http;
mod model;
mod ops;
mod picture;
mod store;
mod upload;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use shared::config::Report;
use tokio::sync::{Notify, Semaphore};

use crate::config;

pub use worker::run;

/// Bytes of images that are being received at once, of all clients together.
const ROOM: usize = 64 * 1024 * 1024;

/// More than this is no avatar.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Longer in both directions than any image that is taken.
const MOST_PIXELS: u64 = 100_000_000;

/// What the rest of the service has of avatars: a bell for the worker, and room for what comes in.
#[derive(Debug)]
pub struct Avatars {
    bell: Notify,
    room: Arc<Semaphore>,
}

impl Default for Avatars {
    fn default() -> Self {
        Self { bell: Notify::new(), room: Arc::new(Semaphore::new(ROOM)) }
    }
}

/// What would keep avatars from being made: reported with the other mistakes of the configuration.
pub fn check(avatars: &config::Avatars, report: &mut Report<'_>) {
    let config::Avatars { max_bytes, max_pixels, lease, poll, attempts, .. } = avatars;
    report.ensure((1..=MOST_BYTES).contains(max_bytes), "avatars.max_bytes", "from 1 byte to 32 MiB");
    report.ensure((1..=MOST_PIXELS).contains(max_pixels), "avatars.max_pixels", "from 1 to 100000000");
    report.ensure(lease.get() >= Duration::from_secs(1), "avatars.lease", "at least 1s");
    report.ensure(poll.get() > Duration::ZERO, "avatars.poll", "more than nothing");
    report.ensure(*attempts > 0, "avatars.attempts", "at least one attempt");
}

#[cfg(test)]
mod tests;
