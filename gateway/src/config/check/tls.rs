//! What the TLS settings must hold as they are written. Whether the files hold it too is asked where they are read.

use std::net::SocketAddr;

use shared::config::Report;

use crate::config::{ClientAuth, Config, Route};

/// Everything under `[tls]`.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let tls = &config.tls;
    for (i, files) in tls.certificates.iter().enumerate() {
        for (key, path) in [("cert", &files.cert), ("key", &files.key)] {
            let given = !path.as_os_str().is_empty();
            report.ensure(given, &format!("tls.certificates[{i}].{key}"), "the path of a PEM file");
        }
    }
    report.ensure(!tls.handshake_timeout.get().is_zero(), "tls.handshake_timeout", "more than 0s");
    report.ensure(!tls.reload_interval.get().is_zero(), "tls.reload_interval", "more than 0s");
    report.ensure(!tls.admin || tls.is_on(), "tls.admin", "there is no certificate in `tls.certificates`");
    report.ensure(tls.redirect_port != 0, "tls.redirect_port", "the port that clients reach `server.listen` by");
    if !tls.redirect_listen.is_empty() {
        redirect(config, report);
    }
    let asks = tls.client_auth != ClientAuth::Off;
    report.ensure(!asks || tls.is_on(), "tls.client_auth", "there is no certificate in `tls.certificates`");
    report.ensure(
        !asks || !tls.client_ca.is_empty(),
        "tls.client_ca",
        "who issues the certificates that are asked for",
    );
    for (i, crl) in tls.client_crls.iter().enumerate() {
        report.ensure(!crl.as_os_str().is_empty(), &format!("tls.client_crls[{i}]"), "the path of a PEM file");
    }
}

fn redirect(config: &Config, report: &mut Report<'_>) {
    let key = "tls.redirect_listen";
    report.ensure(config.tls.is_on(), key, "there is no certificate in `tls.certificates` to be led to");
    match config.tls.redirect_listen.parse::<SocketAddr>() {
        Ok(address) => {
            let taken = address.port() != 0 && [config.server.listen, config.admin.listen].contains(&address);
            report.ensure(!taken, key, "another listener is there already");
        }
        Err(_) => report.error(key, "an address and a port, such as 0.0.0.0:8080"),
    }
}

/// What a route may ask of client certificates.
pub fn route(route: &Route, at: &str, config: &Config, report: &mut Report<'_>) {
    let key = |key: &str| format!("{at}.{key}");
    let asked_for = config.tls.client_auth != ClientAuth::Off;
    let (demands, named) = (route.client_certificate, !route.client_names.is_empty());
    report.ensure(
        !demands || asked_for,
        &key("client_certificate"),
        "nobody is asked for one: `tls.client_auth` is off",
    );
    report.ensure(demands || !named, &key("client_names"), "only with `client_certificate = true`");
    report.ensure(!route.client_names.iter().any(String::is_empty), &key("client_names"), "no name is empty");
    let forwards = route.forward_client_certificate;
    report.ensure(!forwards || asked_for, &key("forward_client_certificate"), "`tls.client_auth` is off");
}
