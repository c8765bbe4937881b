//! Keys name themselves, show only their public half, and read back what they sign.

mod life;
mod model;
mod orders;
mod ring;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Header, Validation, decode, encode};

use super::algorithm::Algorithm;
use super::jwk::Jwk;
use super::signing::SigningKey;
use crate::config::Config;

#[test]
fn what_a_key_signs_its_public_half_verifies_and_no_other() {
    for algorithm in Algorithm::ALL {
        let [key, other] = [(); 2].map(|()| SigningKey::generate(algorithm).unwrap());
        let claims = serde_json::json!({"exp": 4_000_000_000_u64});
        let token = encode(&Header::new(algorithm.jwt()), &claims, &key.encoding().unwrap()).unwrap();
        let validation = Validation::new(algorithm.jwt());
        assert!(decode::<serde_json::Value>(&token, &key.decoding().unwrap(), &validation).is_ok(), "{algorithm:?}");
        assert!(decode::<serde_json::Value>(&token, &other.decoding().unwrap(), &validation).is_err());
        // As anybody reads it: a library that knows nothing of us.
        let shown = serde_json::to_value(key.jwk().unwrap()).unwrap();
        let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_value(shown.clone()).unwrap();
        let theirs = jsonwebtoken::DecodingKey::from_jwk(&theirs).unwrap();
        assert!(decode::<serde_json::Value>(&token, &theirs, &validation).is_ok(), "{shown}");
        assert_ne!(key.kid, other.kid);
        assert_eq!((key.kid.len(), shown["kid"].as_str()), (43, Some(key.kid.as_str())));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(shown.get(private).is_none(), "{private} of {algorithm:?}");
        }
        assert_eq!(Algorithm::named(algorithm.as_str()), Some(algorithm));
    }
}

#[test]
fn names_are_the_thumbprints_of_the_rfcs() {
    let named =
        |algorithm, public: &str| Jwk::of(algorithm, &BASE64_URL_SAFE_NO_PAD.decode(public).unwrap()).unwrap().kid;
    // RFC 8037, appendix A.3; RFC 7638, section 3.1.
    let ed = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert_eq!(named(Algorithm::EdDsa, ed), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
             hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ\
             vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK\
             nqDKgw";
    assert_eq!(named(Algorithm::Rs256, n), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert!(Jwk::of(Algorithm::Es256, &[4; 64]).is_err() && Jwk::of(Algorithm::Es256, &[3; 65]).is_err());
}

#[test]
fn what_cannot_hold_at_once_is_named() {
    let load = |values: &[(&str, &str)]| {
        let secret = ("TOLLGATE_USERS__IDENTITY__SECRET".to_owned(), "x".repeat(32));
        let own = values.iter().map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), (*value).to_owned()));
        Config::load(None, &own.chain([secret]).collect::<Vec<_>>()).map(drop).map_err(|errors| errors.to_string())
    };
    load(&[("TOKENS__ALGORITHM", "ES256"), ("KEYS__ROTATE_EVERY", "0s")]).unwrap();
    load(&[("KEYS__PUBLISH_BEFORE", "10m"), ("KEYS__RELOAD", "20s"), ("TOKENS__JWKS_MAX_AGE", "4m")]).unwrap();
    for (key, value, said) in [
        ("TOKENS__ALGORITHM", "HS256", "EdDSA"),
        ("TOKENS__ALGORITHM", "none", "EdDSA"),
        ("KEYS__PUBLISH_BEFORE", "10m", "keys.publish_before"),
        ("KEYS__GATEWAY_REFRESH", "1h", "keys.publish_before"),
        ("TOKENS__JWKS_MAX_AGE", "1h", "keys.publish_before"),
        ("KEYS__ROTATE_EVERY", "20m", "keys.rotate_every"),
        ("KEYS__PUBLISH_BEFORE", "30d", "keys.rotate_every"),
        ("KEYS__RELOAD", "21s", "keys.reload"),
        ("KEYS__RELOAD", "0s", "keys.reload"),
    ] {
        let errors = load(&[(key, value)]).unwrap_err();
        assert!(errors.contains(said), "{key} = {value}: {errors}");
    }
}
