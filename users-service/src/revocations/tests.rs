//! What is recorded is told, and told again when the store may have lost it.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::domain::{ApiKeyId, Permission, Permissions, Role, Roles, SessionId, UserId};
use shared::store::{Revocation, RevocationList, Stores, Verdict};

use super::*;
use crate::db::Database;

async fn database(folder: &tempfile::TempDir) -> Database {
    let database = Database::connect(&crate::testing::config(folder).database).await.unwrap();
    database.migrate().await.unwrap();
    database
}

#[tokio::test]
async fn every_kind_survives_the_database_and_dies_with_the_last_token() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let (user, other, sid) = (UserId::generate(&clock), UserId::generate(&clock), SessionId::generate(&clock));
    let key = ApiKeyId::generate(&clock);
    let expires_at = clock.now() + Duration::from_secs(60);
    let roles = Roles::NONE.with(Role::User);
    let write = database.write().await.unwrap();
    record(&write, &Revocation::Session { sid, expires_at }).await.unwrap();
    record(&write, &Revocation::User { user, ver: 2, expires_at }).await.unwrap();
    let permissions = Permissions::NONE.with(Permission::AuditRead);
    record(&write, &Revocation::Roles { user: other, ver: 5, roles, permissions, expires_at }).await.unwrap();
    record(&write, &Revocation::ApiKey { key, expires_at }).await.unwrap();
    record(&write, &Revocation::SigningKey { kid: "k1".to_owned(), expires_at }).await.unwrap();
    write.commit().await.unwrap();

    for round in 0..2 {
        // In the second round nothing is unpublished: a process with an empty store tells everything that matters.
        let stores = Stores::memory(clock.clone());
        let list = Arc::new(RevocationList::new(clock.clone()));
        let _follower = stores.revocations.follow(Arc::clone(&list));
        let relay = Relay::new(database.clone(), stores, clock.clone());
        if round == 0 {
            relay.flush().await;
        } else {
            tokio::spawn(relay.run());
        }
        crate::testing::until(|| list.len() == 5).await;
        assert!(list.has_key(key) && list.has_signing_key("k1"));
        assert_eq!(list.check(other, sid, 9), Verdict::Revoked);
        assert_eq!((list.check(user, None, 1), list.check(user, None, 2)), (Verdict::Revoked, Verdict::Valid));
        assert_eq!(list.check(other, None, 4), Verdict::Roles(roles, permissions));
    }
    clock.advance(Duration::from_secs(60));
    sweep(&database, clock.now_micros()).await.unwrap();
    let stores = Stores::memory(clock.clone());
    let list = Arc::new(RevocationList::new(clock.clone()));
    let _follower = stores.revocations.follow(Arc::clone(&list));
    Relay::new(database, stores, clock).flush().await;
    assert!(list.is_empty());
}

#[tokio::test]
async fn what_was_rolled_back_is_never_told() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let expires_at = clock.now() + Duration::from_secs(60);
    let write = database.write().await.unwrap();
    record(&write, &Revocation::Session { sid: SessionId::generate(&clock), expires_at }).await.unwrap();
    write.rollback().await;
    let stores = Stores::memory(clock.clone());
    let list = Arc::new(RevocationList::new(clock.clone()));
    let _follower = stores.revocations.follow(Arc::clone(&list));
    Relay::new(database, stores, clock).flush().await;
    assert!(list.is_empty());
}
