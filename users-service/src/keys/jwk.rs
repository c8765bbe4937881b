//! Public keys as the world sees them (RFC 7517, RFC 7518 section 6, RFC 8037 section 2), and the names that follow from
//! them (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::signing::KeyError;

/// An uncompressed point of P-256: a byte that says so, then both coordinates.
const POINT: usize = 65;
const UNCOMPRESSED: u8 = 4;
/// 65537, the exponent of every RSA key that the crypto library makes.
const EXPONENT: &str = "AQAB";

/// A public key (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// The kind of key: `OKP` (EdDSA), `EC` (ES256) or `RSA` (RS256).
    #[schema(example = "OKP")]
    pub kty: String,
    /// The curve, of `OKP` and `EC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ed25519", nullable = false)]
    pub crv: Option<String>,
    /// What it is for.
    #[schema(example = "sig")]
    pub r#use: String,
    /// With which algorithm.
    #[schema(example = "EdDSA")]
    pub alg: String,
    /// Its name in the headers of tokens: its thumbprint.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// The public key (`OKP`) or its first coordinate (`EC`), base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", nullable = false)]
    pub x: Option<String>,
    /// The second coordinate, of `EC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub y: Option<String>,
    /// The modulus, of `RSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub n: Option<String>,
    /// The exponent, of `RSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub e: Option<String>,
}

/// All public keys: those of access tokens first, the one that signs before the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

impl Jwk {
    /// Of the public bytes that are stored: the 32 of RFC 8032, the point of SEC 1, or the modulus.
    ///
    /// # Errors
    /// When they are no such key.
    pub fn of(algorithm: Algorithm, public: &[u8]) -> Result<Self, KeyError> {
        let text = |bytes: &[u8]| Some(BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let base = Self {
            kty: String::new(),
            crv: None,
            r#use: "sig".to_owned(),
            alg: algorithm.as_str().to_owned(),
            kid: String::new(),
            x: None,
            y: None,
            n: None,
            e: None,
        };
        let shown = match algorithm {
            Algorithm::EdDsa => {
                Self { kty: "OKP".to_owned(), crv: Some("Ed25519".to_owned()), x: text(public), ..base }
            }
            Algorithm::Es256 => {
                let point = public.strip_prefix(&[UNCOMPRESSED]).filter(|_| public.len() == POINT).ok_or(KeyError)?;
                let (x, y) = point.split_at(POINT / 2);
                Self { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), x: text(x), y: text(y), ..base }
            }
            Algorithm::Rs256 => Self { kty: "RSA".to_owned(), n: text(public), e: Some(EXPONENT.to_owned()), ..base },
        };
        Ok(Self { kid: shown.thumbprint(), ..shown })
    }

    /// RFC 7638: SHA-256 over the required members in lexicographic order.
    fn thumbprint(&self) -> String {
        let members = [("crv", &self.crv), ("e", &self.e), ("kty", &Some(self.kty.clone()))];
        let members = members.into_iter().chain([("n", &self.n), ("x", &self.x), ("y", &self.y)]);
        let members = members.filter_map(|(name, value)| Some(format!("\"{name}\":\"{}\"", value.as_ref()?)));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }
}
