//! A request that nobody has signed in for: the page's own form carries it, under a MAC, so that strangers write no rows.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::clients::SecretDigest;

/// Tells ours from others at a glance.
const PREFIX: &str = "tgq_";

/// Signed together with the rest: the key makes refresh tokens too.
const CONTEXT: &[u8] = b"tollgate authorization request 1\n";

const MAC: usize = 32;
const ID: usize = 16;
const TIME: usize = 8;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Its row's, once there is one: who signs in twice finds the first.
    pub id: Uuid,
    /// In microseconds.
    pub expires_at: i64,
    /// The query that it came with. What it says is judged again, by the client as it is then.
    pub query: String,
}

impl Pending {
    /// For the form of a page in this browser.
    pub fn seal(&self, browser: &SecretDigest, key: &hmac::Key) -> String {
        let said = [&self.id.as_bytes()[..], &self.expires_at.to_be_bytes(), self.query.as_bytes()].concat();
        let mac = hmac::sign(key, &signed(browser, &said));
        [PREFIX, &BASE64_URL_SAFE_NO_PAD.encode([mac.as_ref(), &said].concat())].concat()
    }

    /// Reads one back; nothing for what we did not make for this browser, and for what is over.
    pub fn open(text: &str, browser: &SecretDigest, key: &hmac::Key, now: i64) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (mac, said) = bytes.split_at_checked(MAC)?;
        hmac::verify(key, &signed(browser, said), mac).ok()?;
        let (id, rest) = said.split_at_checked(ID)?;
        let (time, query) = rest.split_at_checked(TIME)?;
        let expires_at = i64::from_be_bytes(time.try_into().ok()?);
        let query = String::from_utf8(query.to_vec()).ok()?;
        (now < expires_at).then_some(Self { id: Uuid::from_slice(id).ok()?, expires_at, query })
    }
}

fn signed(browser: &SecretDigest, said: &[u8]) -> Vec<u8> {
    [CONTEXT, &browser.bytes(), said].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_as_it_was_made_in_its_browser_and_in_time() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let (here, there) = (SecretDigest::of("here"), SecretDigest::of("there"));
        let pending = Pending { id: Uuid::from_u128(1), expires_at: 100, query: "client_id=x&state=%00".to_owned() };
        let sealed = pending.seal(&here, &key);
        let open = |text: &str, browser, now| Pending::open(text, browser, &key, now);
        assert_eq!(open(&sealed, &here, 99), Some(pending.clone()));
        assert_eq!((open(&sealed, &there, 99), open(&sealed, &here, 100)), (None, None));
        let later = Pending { expires_at: 200, ..pending }.seal(&there, &key);
        for other in ["", PREFIX, "tgq_!", &sealed[1..], &format!("{sealed}A"), &later, &sealed.replace("tgq_", "tgr_")]
        {
            assert_eq!(open(other, &here, 99), None, "{other}");
        }
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed[PREFIX.len()..]).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(open(&[PREFIX, &BASE64_URL_SAFE_NO_PAD.encode(&bytes)].concat(), &here, 99), None, "byte {at}");
            bytes[at] ^= 1;
        }
    }
}
