//! What the document says of receipts: how their keys look, and which errors the key set has.

use serde_json::{Value, json};
use shared::problem::Code;

/// The operation that is anybody's.
pub(super) const KEYS: &str = "receipt_keys";

/// What asking for the keys may answer.
pub(super) const ERRORS: [Code; 3] = [Code::RateLimited, Code::InternalError, Code::DatabaseUnavailable];

/// The example of a schema.
pub(super) fn example(name: &str) -> Option<Value> {
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "iat": 1_795_250_000, "nbf": 1_795_250_000,
    });
    let revoked = json!({"revoked_at": 1_797_900_000, "reason": "compromised"});
    Some(match name {
        "ReceiptKey" => key,
        "ReceiptKeyRevoked" => revoked,
        "ReceiptKeySet" => json!({"keys": [key]}),
        _ => return None,
    })
}
