//! Keys name themselves and read back what they sign.

use jsonwebtoken::{Algorithm, Header, Validation, decode, encode};

use super::signing::SigningKey;

#[test]
fn what_a_key_signs_its_public_half_verifies_and_no_other() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = encode(&Header::new(Algorithm::EdDSA), &serde_json::json!({"exp": 4_000_000_000_u64}), &key.encoding())
        .unwrap();
    let validation = Validation::new(Algorithm::EdDSA);
    assert!(decode::<serde_json::Value>(&token, &key.decoding().unwrap(), &validation).is_ok());
    assert!(decode::<serde_json::Value>(&token, &other.decoding().unwrap(), &validation).is_err());
    assert_ne!(key.kid, other.kid);
    assert_eq!(key.kid.len(), 43);
    assert!(!serde_json::to_string(&key.jwk()).unwrap().contains("\"d\""));
}
