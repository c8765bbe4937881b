//! What the list answers, whatever came in and in whichever order.

use std::time::Duration;

use super::{FIRST_SWEEP, RevocationList, Verdict};
use crate::clock::Clock;
use crate::domain::{ApiKeyId, Role, Roles, SessionId, UserId};
use crate::store::Revocation;

fn clock() -> Clock {
    Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC))
}

#[test]
fn a_version_watermark_ends_older_tokens_only_and_the_order_of_arrival_does_not_matter() {
    let clock = clock();
    let (user, sid) = (UserId::generate(&clock), SessionId::generate(&clock));
    let expires_at = clock.now() + Duration::from_secs(60);
    let (basic, staff) = (Roles::NONE.with(Role::User), Roles::NONE.with(Role::User).with(Role::Support));
    let mut news = [
        Revocation::User { user, ver: 3, expires_at },
        Revocation::Roles { user, ver: 5, roles: basic, expires_at },
        Revocation::Roles { user, ver: 7, roles: staff, expires_at },
        Revocation::User { user, ver: 2, expires_at },
    ];
    for _ in 0..2 {
        let list = RevocationList::new(clock.clone());
        news.iter().for_each(|revocation| list.apply(revocation));
        assert_eq!(list.check(user, sid, 2), Verdict::Revoked);
        assert_eq!(list.check(user, sid, 3), Verdict::Roles(staff));
        assert_eq!(list.check(user, None, 6), Verdict::Roles(staff));
        assert_eq!(list.check(user, sid, 7), Verdict::Valid);
        assert_eq!(list.check(UserId::generate(&clock), sid, 0), Verdict::Valid);
        news.reverse();
    }
}

#[test]
fn a_session_ends_for_every_version_until_it_no_longer_matters() {
    let clock = clock();
    let (user, sid) = (UserId::generate(&clock), SessionId::generate(&clock));
    let list = RevocationList::new(clock.clone());
    list.apply(&Revocation::Session { sid, expires_at: clock.now() + Duration::from_secs(60) });
    assert_eq!(list.check(user, sid, i64::MAX), Verdict::Revoked);
    assert_eq!(list.check(user, SessionId::generate(&clock), 0), Verdict::Valid);
    clock.advance(Duration::from_secs(60));
    assert_eq!(list.check(user, sid, 0), Verdict::Valid);
}

#[test]
fn a_key_is_void_without_its_user_and_until_it_no_longer_matters() {
    let clock = clock();
    let (user, key) = (UserId::generate(&clock), ApiKeyId::generate(&clock));
    let list = RevocationList::new(clock.clone());
    assert!(!list.has_key(key));
    list.apply(&Revocation::ApiKey { key, expires_at: clock.now() + Duration::from_secs(60) });
    assert!(list.has_key(key) && !list.has_key(ApiKeyId::generate(&clock)));
    assert_eq!((list.check(user, None, 0), list.len()), (Verdict::Valid, 1));
    clock.advance(Duration::from_secs(60));
    assert!(!list.has_key(key));
}

#[test]
fn what_has_expired_is_swept_and_not_taken_in_again() {
    let clock = clock();
    let list = RevocationList::new(clock.clone());
    for _ in 0..50 * FIRST_SWEEP {
        list.apply(&Revocation::Session {
            sid: SessionId::generate(&clock),
            expires_at: clock.now() + Duration::from_micros(100),
        });
        clock.advance(Duration::from_micros(1));
    }
    assert!(list.len() <= FIRST_SWEEP, "{} entries", list.len());
    let before = list.len();
    list.apply(&Revocation::Session { sid: SessionId::generate(&clock), expires_at: clock.now() });
    assert_eq!((list.len(), list.refused()), (before, 0));
}
