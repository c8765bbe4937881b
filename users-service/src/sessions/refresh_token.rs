//! Refresh tokens: session id, counter and a MAC, so that nothing about them has to be stored but the counter, and the
//! successor of a token is the same whoever asks for it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::domain::SessionId;
use uuid::Uuid;

use super::opening::Carrier;

/// Tells ours from others at a glance, for people and for secret scanners.
const PREFIX: &str = "tgr_";

/// Signed together with the rest. What is in a browser's cookie is good for nothing elsewhere, nor the other way round: a
/// page that gets at either could otherwise carry it to where the defences of the other do not hold.
const fn purpose(carrier: Carrier) -> &'static [u8] {
    match carrier {
        Carrier::Token => b"tollgate refresh token 1",
        Carrier::Cookie => b"tollgate refresh cookie 1",
    }
}

const ID: usize = 16;
const COUNTER: usize = 8;
const MAC: usize = 32;

/// Which token of which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshToken {
    /// The session it carries on.
    pub session: SessionId,
    /// Its place in the session's row of tokens, from 1.
    pub counter: i64,
}

impl RefreshToken {
    /// As it is handed out, to be carried in this way.
    #[must_use]
    pub fn seal(self, carrier: Carrier, key: &hmac::Key) -> String {
        let mut bytes = self.payload();
        let mac = hmac::sign(key, &signed(carrier, &bytes));
        bytes.extend_from_slice(mac.as_ref());
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads back one that was carried in this way; nothing for what we did not make for that.
    #[must_use]
    pub fn open(text: &str, carrier: Carrier, key: &hmac::Key) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (payload, mac) = bytes.split_at_checked(ID + COUNTER)?;
        if mac.len() != MAC {
            return None;
        }
        hmac::verify(key, &signed(carrier, payload), mac).ok()?;
        let (id, counter) = payload.split_at(ID);
        let session = SessionId::from(Uuid::from_slice(id).ok()?);
        Some(Self { session, counter: i64::from_be_bytes(counter.try_into().ok()?) })
    }

    fn payload(self) -> Vec<u8> {
        let mut bytes = self.session.as_uuid().as_bytes().to_vec();
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        bytes
    }
}

fn signed(carrier: Carrier, payload: &[u8]) -> Vec<u8> {
    [purpose(carrier), payload].concat()
}
