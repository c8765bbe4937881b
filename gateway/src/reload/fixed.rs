//! What a running gateway cannot change: its sockets, its threads, its connections, and what it shares with others.

use crate::config::Config;
use crate::upstream::client::Clients;

/// The keys whose value differs, and which take effect with a restart only.
pub fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let (before, after) = (values(before), values(after));
    before.into_iter().zip(after).filter(|(before, after)| before != after).map(|((key, _), _)| key).collect()
}

/// In the order of the file.
fn values(config: &Config) -> Vec<(&'static str, String)> {
    let Config { server, admin, upstream, identity, authentication, redis, documents, telemetry, .. } = config;
    let (idempotency, tls, cache) = (&config.idempotency, &config.tls, &config.cache);
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    vec![
        ("server.listen", text(&server.listen)),
        ("server.workers", text(&server.workers)),
        ("server.keep_alive", text(&server.keep_alive)),
        ("server.header_timeout", text(&server.header_timeout)),
        ("server.body_timeout", text(&server.body_timeout)),
        ("server.body_rate", text(&server.body_rate)),
        ("server.write_timeout", text(&server.write_timeout)),
        ("server.shutdown_grace", text(&server.shutdown_grace)),
        ("server.shutdown_delay", text(&server.shutdown_delay)),
        ("tls.admin", text(&tls.admin)),
        ("tls.redirect_listen", tls.redirect_listen.clone()),
        ("tls.redirect_port", text(&tls.redirect_port)),
        ("admin.listen", text(&admin.listen)),
        ("admin.token", admin.token.expose().to_owned()),
        ("upstream.connect_timeout", text(&upstream.connect_timeout)),
        ("upstream.idle_timeout", text(&upstream.idle_timeout)),
        ("upstream.max_idle", text(&upstream.max_idle)),
        // The first `https` address of all: until then no connection trusts anybody.
        ("upstreams", text(&Clients::new(config).trusts())),
        ("identity.secret", identity.secret.expose().to_owned()),
        ("authentication.cache_capacity", text(&authentication.cache_capacity)),
        ("cache.memory_bytes", text(&cache.memory_bytes)),
        ("cache.timeout", text(&cache.timeout)),
        ("idempotency.timeout", text(&idempotency.timeout)),
        ("redis.url", redis.url.expose().to_owned()),
        ("documents", text(documents)),
        ("telemetry.format", text(&telemetry.format)),
        ("telemetry.otlp_endpoint", telemetry.otlp_endpoint.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named_and_nothing_else() {
        let load = |env: &[(&str, &str)]| {
            let env: Vec<_> =
                env.iter().map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), (*value).to_owned())).collect();
            Config::load(None, &env).unwrap()
        };
        let before = load(&[]);
        let after = load(&[
            ("SERVER__LISTEN", "127.0.0.1:8090"),
            ("REDIS__URL", "redis://127.0.0.1:6379"),
            ("BREAKER__PROBES", "7"),
            ("SERVER__MAX_IN_FLIGHT", "7"),
        ]);
        assert_eq!(changed(&before, &after), ["server.listen", "redis.url"]);
        assert_eq!(changed(&before, &before), [""; 0]);
        let trusting = |env: &[(&str, &str)]| changed(&before, &load(env));
        let issuer = ("AUTHENTICATION__JWKS_URL", "https://id.example/keys");
        assert_eq!(trusting(&[issuer]), ["upstreams"], "the first that wants the machine's trust roots");
        let https =
            [("SERVICES__USERS__URL", "https://users.example"), ("SERVICES__ACCOUNTS__URL", "https://a.example")];
        assert_eq!(trusting(&https), ["upstreams"]);
        assert_eq!(changed(&load(&[issuer]), &load(&https)), [""; 0], "they are there already");
        assert_eq!(trusting(&[("AUTHENTICATION__JWKS_URL", "http://id.example/keys")]), [""; 0]);
    }
}
