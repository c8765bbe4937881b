//! What an error needs to know of the request it answers, carried beside it instead of through every signature.

use std::future::Future;

use crate::clock::Clock;

tokio::task_local! {
    static CURRENT: Context;
}

/// The request an answer belongs to.
#[derive(Clone, Debug)]
pub struct Context {
    /// The path that was asked for, without its query (queries may hold what does not belong in logs).
    pub instance: String,
    /// The request's id, as sent back in `X-Request-Id`.
    pub request_id: String,
    /// Where the timestamp comes from.
    pub clock: Clock,
}

impl Context {
    /// Runs `work` with this context as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The request being served on this task; outside any request (a unit test, a start-up error) an empty one.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_else(|_| Self {
            instance: String::new(),
            request_id: String::new(),
            clock: Clock::system(),
        })
    }
}
