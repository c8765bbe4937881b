//! Contract types that more than one crate reads or writes, apart from any resource.

pub mod idempotency;
mod raw_amount;

pub use raw_amount::RawAmount;

/// Every API path begins with this, then the version.
pub const API_PREFIX: &str = "/api";

/// The header that says which API version was asked for and which one answered.
pub const API_VERSION: &str = "api-version";

/// The header that carries a request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// The header that tells an upstream how long the whole exchange may still take, in milliseconds.
pub const DEADLINE_MS: &str = "x-tollgate-deadline-ms";

/// The longest request id that is taken over from a client.
pub const MAX_REQUEST_ID: usize = 64;

/// Whether a client's `X-Request-Id` may be taken over: 1 to 64 of `[A-Za-z0-9._-]`, so that it is safe in logs.
#[must_use]
pub fn is_request_id(id: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
