//! A link's token is good for one link and one purpose, and forged by nobody.

use aws_lc_rs::hmac;
use shared::clock::Clock;
use shared::domain::{LinkId, SessionId};

use super::*;
use crate::sessions::{Carrier, RefreshToken};

const ALL: [Purpose; 3] = [Purpose::VerifyEmail, Purpose::ChangeEmail, Purpose::ResetPassword];

fn key(byte: u8) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
}

#[test]
fn a_token_opens_for_its_purpose_and_with_any_byte_changed_for_none() {
    let id = LinkId::generate(&Clock::system());
    for purpose in ALL {
        let token = seal(id, purpose, &key(7));
        assert_eq!(open(&token, &ALL, &key(7)), Some((id, purpose)));
        for other in ALL.into_iter().filter(|other| *other != purpose) {
            assert_eq!(open(&token, &[other], &key(7)), None, "{purpose:?} as {other:?}");
        }
        assert_eq!(open(&token, &ALL, &key(8)), None, "another installation's");
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&String::from_utf8(bytes).unwrap(), &ALL, &key(7)), None, "{at}");
        }
        for text in ["", "tgl_", "tgl_AAAA", &token[4..], &format!("{token}AAAA"), &token[..token.len() - 1]] {
            assert_eq!(open(text, &ALL, &key(7)), None, "{text}");
        }
    }
}

#[test]
fn a_refresh_token_is_no_link_though_one_key_makes_both() {
    let session = SessionId::generate(&Clock::system());
    let refresh = RefreshToken { session, counter: 1 }.seal(Carrier::Token, &key(7));
    assert_eq!(open(&refresh.replace("tgr_", "tgl_"), &ALL, &key(7)), None);
    let link = seal(LinkId::from(session.as_uuid()), Purpose::ResetPassword, &key(7));
    assert_eq!(RefreshToken::open(&link.replace("tgl_", "tgr_"), Carrier::Token, &key(7)), None);
}
