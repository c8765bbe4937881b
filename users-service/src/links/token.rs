//! What a link carries: its id and a MAC, made when the mail is rendered, so that no row and no log line opens anything.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::domain::LinkId;
use uuid::Uuid;

/// Tells ours from others at a glance, for people and for secret scanners.
const PREFIX: &str = "tgl_";

/// Signed together with the rest: the key makes refresh tokens too.
const CONTEXT: &[u8] = b"tollgate link 1";

const ID: usize = 16;
const MAC: usize = 32;

/// What a link is good for. A token for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shows that an address is theirs.
    VerifyEmail,
    /// Makes another address theirs.
    ChangeEmail,
    /// Sets a new password.
    ResetPassword,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::VerifyEmail, Self::ChangeEmail, Self::ResetPassword];

    /// As in the database, and under the MAC.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// The token of a link.
#[must_use]
pub fn seal(id: LinkId, purpose: Purpose, key: &hmac::Key) -> String {
    let mut bytes = id.as_uuid().as_bytes().to_vec();
    let mac = hmac::sign(key, &signed(&bytes, purpose));
    bytes.extend_from_slice(mac.as_ref());
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Which link a token is of, and for which of these purposes; nothing for what we did not make.
#[must_use]
pub fn open(text: &str, purposes: &[Purpose], key: &hmac::Key) -> Option<(LinkId, Purpose)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let (id, mac) = bytes.split_at_checked(ID)?;
    if mac.len() != MAC {
        return None;
    }
    let purpose = purposes.iter().find(|purpose| hmac::verify(key, &signed(id, **purpose), mac).is_ok())?;
    Some((LinkId::from(Uuid::from_slice(id).ok()?), *purpose))
}

fn signed(id: &[u8], purpose: Purpose) -> Vec<u8> {
    [CONTEXT, b"\n", purpose.as_str().as_bytes(), b"\n", id].concat()
}
