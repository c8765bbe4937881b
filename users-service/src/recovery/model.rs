//! The bodies of the calls.

use serde::Deserialize;

/// Whom to send a link.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// The e-mail address.
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
}

/// A link's token.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// What stands after `token=` in the link.
    #[schema(example = "tgl_AZNvagK0fRmxyJ5_Wj1MVR2kT0e1cVwqg6gq8mQh4n8s0d0y1hYpQm2bX3vZr7aL")]
    pub token: String,
}

/// A link's token, and the password to be.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// What stands after `token=` in the link.
    #[schema(example = "tgl_AZNvagK0fRmxyJ5_Wj1MVR2kT0e1cVwqg6gq8mQh4n8s0d0y1hYpQm2bX3vZr7aL")]
    pub token: String,
    /// The password from now on; the rules of registration hold.
    #[schema(example = "another horse battery 8 staple", min_length = 10, max_length = 128)]
    pub new_password: String,
}
