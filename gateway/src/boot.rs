//! What a process needs before a gateway can be built in it: the stores that instances share, and files enough for its
//! connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::clock::Clock;
use shared::store::{RedisOptions, StoreError, Stores};

use crate::config::Config;

/// The stores in Redis. `None`: the configuration names none.
///
/// # Errors
/// An address that cannot be read.
pub async fn redis(config: &Config, clock: Clock) -> Result<Option<Stores>, StoreError> {
    match config.redis.url.expose() {
        "" => Ok(None),
        url => Stores::redis_with(url, clock, options(config)).await.map(Some),
    }
}

fn options(config: &Config) -> RedisOptions {
    RedisOptions {
        idempotency_deadline: config.idempotency.timeout.get(),
        cache_deadline: config.cache.timeout.get(),
        ..RedisOptions::default()
    }
}

/// Takes as many open files as the machine allows: each connection is one, and most shells give 1,024. The hard limit is
/// not ours to raise.
pub fn open_files(config: &Config) {
    let connections = config.server.max_connections;
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    // A request may need a connection to its upstream too.
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < 2 * connections as u64) {
        tracing::warn!(connections, most, "server.max_connections needs twice as many open files as that");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_stores_keep_the_configurations_time() {
        let env = [("CACHE__TIMEOUT", "70ms"), ("IDEMPOTENCY__TIMEOUT", "900ms")];
        let env = env.map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), value.to_owned()));
        let options = options(&Config::load(None, &env).unwrap());
        assert_eq!(options.cache_deadline, Duration::from_millis(70));
        assert_eq!(options.idempotency_deadline, Duration::from_millis(900));
    }

    #[test]
    fn all_files_are_taken_that_there_may_be() {
        let limit = getrlimit(Resource::Nofile);
        let few = limit.maximum.map_or(256, |most| most.min(256));
        setrlimit(Resource::Nofile, Rlimit { current: Some(few), ..limit }).unwrap();
        open_files(&Config::load(None, &[]).unwrap());
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}
