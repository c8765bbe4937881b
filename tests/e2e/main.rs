//! Journeys through the gateway, each on embedded and on real back-ends; a module per journey.
#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

/// Makes each journey (an `async fn(Backend)` of this module) two tests, one for each kind of back-end.
macro_rules! journeys {
    ($($journey:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $journey() {
                super::$journey(tests::Backend::Embedded).await;
            })+
        }
        mod real {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $journey() {
                super::$journey(tests::Backend::Real).await;
            })+
        }
    };
}

mod access;
mod agreement;
mod api_keys;
mod audit;
mod avatars;
mod breaker;
mod browser;
mod cache;
mod cells;
mod configuration;
mod contention;
mod crash;
mod documents;
mod edge_keys;
mod edge_tls;
mod factors;
mod framing;
mod hangup;
mod headers;
mod heads;
mod history;
mod hostile;
mod idempotency;
mod identity;
mod input;
mod limits;
mod lists;
mod monitoring;
mod oauth;
mod oidc;
mod order_of_checks;
mod passkeys;
mod problems;
mod purge;
mod recovery;
mod redis_gone;
mod restart;
mod revocation;
mod road;
mod sessions;
mod signing_keys;
mod statements;
mod tokens;
mod tunnels;
mod users;
mod versions;
mod writes;
