//! Files that do not fit, names that decide, and certificates that end.

pub(crate) mod authority;

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::{CertificateFiles, ClientAuth, Config};
use authority::Authority;

fn settings(pairs: &[(PathBuf, PathBuf)]) -> config::Tls {
    let mut settings = Config::load(None, &[]).unwrap().tls;
    settings.certificates =
        pairs.iter().map(|(cert, key)| CertificateFiles { cert: cert.clone(), key: key.clone() }).collect();
    settings
}

fn tls(settings: &config::Tls) -> Result<Tls, String> {
    Tls::new(settings, Clock::system(), ConnectionMetrics::default()).map_err(|error| error.to_string())
}

#[test]
fn without_certificates_there_is_no_tls() {
    assert!(tls(&settings(&[])).unwrap().server().is_none());
}

#[test]
fn every_mistake_in_the_files_is_told_with_its_key() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.example"]), authority.issue(&["b.example"]));
    let unnamed = authority.issue(&[]);
    let file = |name: &str, text: &str| authority.write(name, text);
    let mut wrong = settings(&[
        (file("a.pem", &a.cert), authority.path("missing.key")),
        (file("a.pem", &a.cert), file("b.key", &b.key)),
        (file("half.pem", &b.cert[..b.cert.len() / 2]), file("none.key", "no key")),
        (file("unnamed.pem", &unnamed.cert), file("unnamed.key", &unnamed.key)),
    ]);
    wrong.client_auth = ClientAuth::Required;
    wrong.client_ca = file("not-a-ca.pem", "nothing").display().to_string();
    let told = tls(&wrong).unwrap_err();
    for part in [
        "tls.certificates[0].key: ",
        "missing.key cannot be read",
        "tls.certificates[1].key: it does not belong to the certificate",
        "tls.certificates[2].cert: ",
        "tls.certificates[2].key: there is no private key",
        "tls.certificates[3].cert: it has no DNS name",
        "tls.client_ca: there is no certificate",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains(&b.key[40..80]), "no key is told");
}

#[test]
fn what_has_expired_is_presented_and_spoken_of() {
    let authority = Authority::new();
    let old = authority.issue_expired(&["a.example"]);
    let settings = settings(&[(authority.write("a.pem", &old.cert), authority.write("a.key", &old.key))]);
    assert!(tls(&settings).unwrap().server().is_some(), "better than none at all");
    let told = examine(&settings, &Clock::system()).unwrap_err().to_string();
    assert!(told.contains("tls.certificates[0].cert: ") && told.contains("has expired on 2020-02-01"), "{told}");
}

#[test]
fn a_certificate_that_ends_is_spoken_of_in_time() {
    let authority = Authority::new();
    let pair = authority.issue(&["a.example"]);
    let mut leaf = Leaf::read(&pair.der()).unwrap();
    let now = OffsetDateTime::UNIX_EPOCH;
    (leaf.not_before, leaf.not_after) = (0, 10 * 86_400);
    let presented = [Presented { file: "f".to_owned(), leaf }];
    let at = |days| untimely(&presented, now + time::Duration::days(days), SOON).pop().map(|mistake| mistake.what);
    assert_eq!(at(0).unwrap(), "f expires on 1970-01-11");
    assert_eq!(at(11).unwrap(), "f has expired on 1970-01-11");
    assert_eq!(at(-1).unwrap(), "f is valid from 1970-01-01 only");
    assert!(untimely(&presented, now, time::Duration::ZERO).is_empty());
}

#[test]
fn settings_that_do_not_hold_leave_the_old_ones() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.example"]), authority.issue(&["b.example"]));
    let good = settings(&[(authority.write("a.pem", &a.cert), authority.write("a.key", &a.key))]);
    let tls = tls(&good).unwrap();
    let fingerprint = |tls: &Tls| tls.presented()[0].leaf.fingerprint.clone();
    let before = fingerprint(&tls);
    let bad = settings(&[(authority.path("a.pem"), authority.write("b.key", &b.key))]);
    assert!(tls.apply(&bad).is_err());
    assert_eq!(fingerprint(&tls), before);
    let mut next = settings(&[(authority.write("b.pem", &b.cert), authority.path("b.key"))]);
    next.handshake_timeout = shared::config::Dur::from(Duration::from_secs(1));
    tls.apply(&next).unwrap();
    assert_ne!(fingerprint(&tls), before);
    assert_eq!(tls.handshake_timeout(), Duration::from_secs(1));
    tls.apply(&settings(&[])).unwrap();
    assert!(tls.server().is_none(), "TLS can be switched off");
}

#[test]
fn a_certificate_is_read_whole() {
    let authority = Authority::new();
    let pair = authority.issue(&["A.example", "*.b.example", "192.0.2.1"]);
    let leaf = Leaf::read(&pair.der()).unwrap();
    assert_eq!(leaf.dns, ["a.example", "*.b.example"]);
    assert_eq!(leaf.sans, ["a.example", "*.b.example", "192.0.2.1"]);
    assert_eq!(leaf.fingerprint.len(), 64);
    assert!(Leaf::read(&pair.der()[1..].into()).is_err());
    let mut longer = pair.der().to_vec();
    longer.push(0);
    assert!(Leaf::read(&longer.into()).is_err());
    assert_eq!(Leaf::read(&authority.issue_uri("spiffe://x/y").der()).unwrap().sans, ["spiffe://x/y"]);
}
