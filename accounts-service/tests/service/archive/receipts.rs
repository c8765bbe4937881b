//! Receipts of a ledger that has moved: they go on being checked by the set that its new house publishes.

use std::time::Duration;

use accounts_service::archive::Dry;
use accounts_service::db::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use shared::clock::Clock;

use super::world::{serve, stop};
use super::{WAYS, export, import, migrate};
use crate::client::{pay, user};
use crate::receipts::{published, receipt, said};
use crate::stack::{on_database, with_database};

#[test]
fn a_receipt_of_before_a_move_is_believed_by_the_keys_of_after() {
    for (one, other) in WAYS {
        on_database(one, async |url| {
            let clock = Clock::manual(Clock::system().now());
            let stack = serve(&url, &clock).await;
            let who = user();
            let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
            let key = [("idempotency-key", "one")];
            let paid = stack.client.post(&who, "/api/v1/transfers?receipt=true", &key, &pay(&from, &to, 5)).await;
            let old = receipt(&paid.expect(201));
            let before = published(&stack.client).await;
            let claims = said(&old, &before);
            stop(stack).await;
            let file = export(&url, &clock).await;
            // A private half is 48 bytes of PKCS#8 and more: nothing of it, and no seal, is in the file.
            let text = String::from_utf8(file.clone()).unwrap();
            assert!(!text.contains("private_key") && !text.contains("receipt_seals"));
            clock.advance(Duration::from_secs(2));
            with_database(other, async |there| {
                migrate(&there).await;
                import(&there, &file, Dry::No).await.unwrap();
                let stack = serve(&there, &clock).await;
                let set = published(&stack.client).await;
                assert_eq!(said(&old, &set), claims);
                assert_eq!(set.keys.len(), 2);
                let moved = set.keys.iter().find(|key| key.kid == before.keys[0].kid).unwrap();
                let end = moved.exp.unwrap();
                assert!(end > claims["iat"].as_i64().unwrap() && end <= clock.now().unix_timestamp());
                // What is signed from now on is the new key's.
                let path = format!("/api/v1/transfers/{}?receipt=true", claims["sub"].as_str().unwrap());
                let new = receipt(&stack.client.get(&who, &path).await.expect(200));
                let facts = |claims: &Value| (claims["sub"].clone(), claims["transfer"].clone());
                assert_eq!(facts(&said(&new, &set)), facts(&claims));
                assert_ne!(new.split('.').next(), old.split('.').next(), "another key signs");
                stop(stack).await;
                let db = Database::connect(&there, 1).await.unwrap();
                let sql = "SELECT count(*) FROM receipt_keys WHERE private_key IS NOT NULL";
                let statement = Statement::from_string(db.pool.get_database_backend(), sql);
                let row = db.pool.query_one_raw(statement).await.unwrap().unwrap();
                assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1);
                db.pool.close().await.unwrap();
            })
            .await;
        });
    }
}
