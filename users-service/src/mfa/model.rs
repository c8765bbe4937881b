//! The bodies of the calls.

use serde::{Deserialize, Serialize};
use shared::clock::instant;
use time::OffsetDateTime;

/// What an authenticator app is told. It is shown once.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[schema(as = TotpOffer)]
pub struct Offer {
    /// The secret, in base 32, to be typed in.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    pub secret: String,
    /// The same as a link that apps open.
    #[schema(
        example = "otpauth://totp/Tollgate:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Tollgate"
    )]
    pub otpauth_uri: String,
    /// The same as a QR code, an SVG image.
    #[schema(example = "<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>")]
    pub qr_svg: String,
}

/// The app's code.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// Six digits.
    #[schema(example = "287082", max_length = 64)]
    pub code: String,
}

/// Codes that let in who has lost the app, each once. They are shown once.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct RecoveryCodes {
    /// Ten of them.
    #[schema(example = json!(["0410-4G30-A1G7-8HZF-QZ7Y-ZBZE"]))]
    pub recovery_codes: Vec<String>,
}

/// Which second factors somebody has.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct Factors {
    /// Each of them. Without an authenticator app the password is enough; a passkey needs no password.
    pub factors: Vec<FactorView>,
    /// How many recovery codes have not been used.
    #[schema(example = 9, minimum = 0, maximum = 10)]
    pub recovery_codes_left: u64,
}

/// A second factor.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Factor)]
pub struct FactorView {
    /// `totp`: an authenticator app. `passkey`: one of those at `/users/me/passkeys`.
    #[schema(example = "totp")]
    pub kind: &'static str,
    /// Since when.
    #[serde(with = "instant")]
    pub added_at: OffsetDateTime,
}
