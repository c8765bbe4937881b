//! What the list answers, whatever came in and in whichever order.

use std::time::Duration;

use super::{FIRST_SWEEP, RevocationList, Verdict};
use crate::clock::Clock;
use crate::domain::{ApiKeyId, Permission, Permissions, Role, Roles, SessionId, UserId};
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
    let audit = Permissions::NONE.with(Permission::AuditRead);
    let mut news = [
        Revocation::User { user, ver: 3, expires_at },
        Revocation::Roles { user, ver: 5, roles: basic, permissions: Permissions::NONE, expires_at },
        Revocation::Roles { user, ver: 7, roles: staff, permissions: audit, expires_at },
        Revocation::User { user, ver: 2, expires_at },
    ];
    for _ in 0..2 {
        let list = RevocationList::new(clock.clone());
        news.iter().for_each(|revocation| list.apply(revocation));
        assert_eq!(list.check(user, sid, 2), Verdict::Revoked);
        assert_eq!(list.check(user, sid, 3), Verdict::Roles(staff, audit));
        assert_eq!(list.check(user, None, 6), Verdict::Roles(staff, audit));
        assert_eq!(list.check(user, sid, 7), Verdict::Valid);
        assert_eq!(list.check(UserId::generate(&clock), sid, 0), Verdict::Valid);
        news.reverse();
    }
}

#[test]
fn two_words_of_one_version_leave_what_both_leave() {
    let clock = clock();
    let (user, expires_at) = (UserId::generate(&clock), clock.now() + Duration::from_secs(60));
    let roles = Roles::NONE.with(Role::User);
    let (audit, keys) = (Permission::AuditRead, Permission::KeysManage);
    let list = RevocationList::new(clock.clone());
    for permissions in [Permissions::NONE.with(audit).with(keys), Permissions::NONE.with(audit)] {
        list.apply(&Revocation::Roles { user, ver: 2, roles, permissions, expires_at });
    }
    assert_eq!(list.check(user, None, 1), Verdict::Roles(roles, Permissions::NONE.with(audit)));
}

#[test]
fn an_old_release_says_nothing_of_permissions_and_takes_them_all_away() {
    let old = r#"{"kind":"roles","user":"01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55","ver":2,"roles":["user"],
        "expires_at":"2026-11-21T08:00:00Z"}"#;
    let read: Revocation = serde_json::from_str(old).unwrap();
    assert!(matches!(&read, Revocation::Roles { permissions, .. } if permissions.is_empty()));
    assert!(!serde_json::to_string(&read).unwrap().contains("permissions"), "nor is the old one told of none");
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
