//! The refresh token's seal, and its state machine against what the contract promises.

mod bounded;
mod listed;

mod model;
mod rotator;

use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use shared::clock::Clock;
use shared::domain::SessionId;

use super::rotation::{Limits, State, Step, decide};
use super::{Carrier, RefreshToken};

const LIMITS: Limits = Limits { grace: Duration::from_secs(10), idle: Duration::from_secs(14 * 86_400) };
const SECOND: i64 = 1_000_000;

fn fresh() -> State {
    State { counter: 1, rotated_at: 0, expires_at: 30 * 86_400 * SECOND, ended: false }
}

#[test]
fn a_sealed_token_opens_and_one_with_any_byte_changed_does_not() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let token = RefreshToken { session: SessionId::generate(&Clock::system()), counter: 41 };
    let open = |text: &str| RefreshToken::open(text, Carrier::Token, &key);
    let text = token.seal(Carrier::Token, &key);
    assert_eq!(open(&text), Some(token));
    assert_eq!(text, token.seal(Carrier::Token, &key), "the same place has the same token, whoever asks");
    let cookie = token.seal(Carrier::Cookie, &key);
    assert_eq!(RefreshToken::open(&cookie, Carrier::Cookie, &key), Some(token));
    assert_eq!((open(&cookie), RefreshToken::open(&text, Carrier::Cookie, &key)), (None, None), "each in its own way");
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        assert_eq!(open(&forged), None, "{at}");
    }
    let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    assert_eq!(RefreshToken::open(&text, Carrier::Token, &other), None);
    for other in ["", "tgr_", "tgr_AAAA", "x", &text[4..], &format!("{text}AAAA")] {
        assert_eq!(open(other), None, "{other}");
    }
}

#[test]
fn each_presented_token_gets_what_the_contract_says() {
    let rotated = State { counter: 5, rotated_at: 100 * SECOND, ..fresh() };
    let idle = 100 * SECOND + 14 * 86_400 * SECOND;
    let table = [
        (5, 100 * SECOND, Step::Rotate(6)),
        (4, 100 * SECOND, Step::Repeat(5)),
        (4, 110 * SECOND, Step::Repeat(5)),
        (4, 110 * SECOND + 1, Step::Replayed),
        (3, 100 * SECOND, Step::Replayed),
        (1, 100 * SECOND, Step::Replayed),
        (6, 100 * SECOND, Step::Refuse),
        (5, idle, Step::Refuse),
        (4, idle, Step::Refuse),
        (5, idle - 1, Step::Rotate(6)),
    ];
    for (presented, now, step) in table {
        assert_eq!(decide(&rotated, presented, now, LIMITS), step, "{presented} at {now}");
    }
    let late = State { rotated_at: rotated.expires_at - SECOND, ..rotated };
    assert_eq!(decide(&late, 5, late.expires_at, LIMITS), Step::Refuse);
    assert_eq!(decide(&late, 5, late.expires_at - 1, LIMITS), Step::Rotate(6));
    for presented in 0..8 {
        assert_eq!(decide(&State { ended: true, ..rotated }, presented, 0, LIMITS), Step::Refuse);
    }
}

proptest! {
    /// However refreshes come in: the counter moves by one and only for its own token, a repeat never moves it, and once
    /// a replay has ended the session nothing is handed out any more.
    #[test]
    fn any_history_keeps_the_promises(events in prop::collection::vec((0..12_i64, 0..8 * SECOND), 1..60)) {
        let (mut state, mut now) = (fresh(), 0);
        for (presented, pause) in events {
            now += pause;
            let before = state;
            match decide(&state, presented, now, LIMITS) {
                Step::Rotate(to) => {
                    prop_assert!(!before.ended && presented == before.counter && to == presented + 1);
                    state = State { counter: to, rotated_at: now, ..before };
                }
                Step::Repeat(counter) => {
                    prop_assert!(!before.ended && presented + 1 == before.counter && counter == before.counter);
                    prop_assert!(now - before.rotated_at <= 10 * SECOND);
                }
                Step::Replayed => {
                    prop_assert!(!before.ended && presented < before.counter);
                    state.ended = true;
                }
                Step::Refuse => prop_assert!(before.ended || presented > before.counter),
            }
        }
    }
}
