//! Revocations: promptly, to everyone, late comers included.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, eventually, within};
use crate::clock::Clock;
use crate::domain::{ApiKeyId, SessionId, UserId};
use crate::store::{Follower, Revocation, RevocationList, Stores, Verdict};

/// What the contract allows from a revocation to its effect.
const PROMPTLY: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(300);

/// A new list that follows and has caught up.
pub(super) async fn followed(stores: &Stores, clock: &Clock) -> (Arc<RevocationList>, Follower) {
    let list = Arc::new(RevocationList::new(clock.clone()));
    let follower = stores.revocations.follow(Arc::clone(&list));
    eventually("the list is live", async || list.is_live()).await;
    (list, follower)
}

/// A session of the clock's now, and its end.
pub(super) fn session(clock: &Clock) -> (SessionId, Revocation) {
    let sid = SessionId::generate(clock);
    (sid, Revocation::Session { sid, expires_at: clock.now() + LIFE })
}

pub(super) fn revoked(list: &RevocationList, clock: &Clock, sid: SessionId) -> bool {
    list.check(UserId::generate(clock), sid, 1) == Verdict::Revoked
}

pub(super) async fn a_follower_knows_within_a_second(on: Fixture) {
    let (first, _first) = followed(&on.stores, &on.clock).await;
    let (second, _second) = followed(&on.stores, &on.clock).await;
    let (sid, revocation) = session(&on.clock);
    assert!(!revoked(&first, &on.clock, sid));
    on.stores.revocations.publish(&revocation).await.unwrap();
    let known = async || revoked(&first, &on.clock, sid) && revoked(&second, &on.clock, sid);
    within(PROMPTLY, "both lists know", known).await;
}

pub(super) async fn an_api_key_is_void_everywhere_within_a_second(on: Fixture) {
    let (first, _first) = followed(&on.stores, &on.clock).await;
    let key = ApiKeyId::generate(&on.clock);
    assert!(!first.has_key(key));
    on.stores.revocations.publish(&Revocation::ApiKey { key, expires_at: on.clock.now() + LIFE }).await.unwrap();
    within(PROMPTLY, "the list knows", async || first.has_key(key)).await;
    let (late, _late) = followed(&on.stores, &on.clock).await;
    assert!(late.has_key(key) && !late.has_key(ApiKeyId::generate(&on.clock)));
    on.clock.advance(LIFE);
    assert!(!late.has_key(key));
}

pub(super) async fn a_signing_key_is_void_everywhere_within_a_second(on: Fixture) {
    let (first, _first) = followed(&on.stores, &on.clock).await;
    assert!(!first.has_signing_key("k1"));
    let revocation = Revocation::SigningKey { kid: "k1".to_owned(), expires_at: on.clock.now() + LIFE };
    on.stores.revocations.publish(&revocation).await.unwrap();
    within(PROMPTLY, "the list knows", async || first.has_signing_key("k1")).await;
    let (late, _late) = followed(&on.stores, &on.clock).await;
    assert!(late.has_signing_key("k1") && !late.has_signing_key("k2"));
    on.clock.advance(LIFE);
    assert!(!late.has_signing_key("k1"));
}

pub(super) async fn a_late_follower_learns_what_still_matters(on: Fixture) {
    let (early, revocation) = session(&on.clock);
    on.stores.revocations.publish(&revocation).await.unwrap();
    on.clock.advance(LIFE);
    let (late, revocation) = session(&on.clock);
    on.stores.revocations.publish(&revocation).await.unwrap();
    let (list, _follower) = followed(&on.stores, &on.clock).await;
    assert!(revoked(&list, &on.clock, late), "a live list has caught up");
    assert!(!revoked(&list, &on.clock, early) && list.len() == 1, "what no longer matters is not listed");
}

pub(super) async fn a_dropped_follower_is_told_nothing_more(on: Fixture) {
    let (kept, _kept) = followed(&on.stores, &on.clock).await;
    let (left, follower) = followed(&on.stores, &on.clock).await;
    drop(follower);
    eventually("the list is not live", async || !left.is_live()).await;
    let (sid, revocation) = session(&on.clock);
    on.stores.revocations.publish(&revocation).await.unwrap();
    within(PROMPTLY, "the other knows", async || revoked(&kept, &on.clock, sid)).await;
    assert!(!revoked(&left, &on.clock, sid));
}

pub(super) async fn thousands_arrive_at_every_follower(on: Fixture) {
    let (early, _early) = followed(&on.stores, &on.clock).await;
    let sessions: Vec<_> = (0..2_500).map(|_| session(&on.clock)).collect();
    for chunk in sessions.chunks(500) {
        let published = chunk.iter().map(|(_, revocation)| on.stores.revocations.publish(revocation));
        futures_util::future::try_join_all(published).await.unwrap();
    }
    let (late, _late) = followed(&on.stores, &on.clock).await;
    for list in [early, late] {
        eventually("all arrived", async || list.len() == sessions.len()).await;
        assert!(sessions.iter().all(|(sid, _)| revoked(&list, &on.clock, *sid)));
    }
}
