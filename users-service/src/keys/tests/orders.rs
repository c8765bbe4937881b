//! What an operator orders, and what running services make of it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use shared::store::RevocationList;

use super::life::{database, kid_of, kids, until_kids};
use crate::db::entity::audit_event::{Column, Entity};
use crate::keys::{KeyOrder, OrderError, Purpose, obey};
use crate::testing::{Backend, Ground, Setup, on_both};

on_both! {
    the_next_key_signs_when_it_is_told_to_and_ripe,
    keys_of_id_tokens_are_told_by_themselves,
    a_revoked_key_is_gone_and_gateways_are_told,
}

/// The details of the audit's events of a kind, oldest first.
pub(super) async fn events(ground: &Ground, kind: &str) -> Vec<Value> {
    let database = database(ground).await;
    let rows = Entity::find().filter(Column::Kind.eq(kind)).order_by_asc(Column::Seq);
    let rows = rows.all(database.read()).await.unwrap();
    database.close().await;
    let details = rows.into_iter().map(|row| serde_json::from_str::<Value>(&row.detail.unwrap()).unwrap());
    // Those of ID tokens have a schedule of their own.
    details.filter(|detail| detail.get("purpose").is_none()).collect()
}

async fn the_next_key_signs_when_it_is_told_to_and_ripe(backend: Backend) {
    let service = Setup::on(backend).set("keys.reload", "50ms").start().await;
    let before = kids(&service).await;
    let rotate = |force| obey(&service.config, &service.clock, KeyOrder::Rotate { purpose: Purpose::Access, force });
    let refused = rotate(false).await.unwrap_err();
    assert!(matches!(refused, OrderError::Unripe(_)), "{refused}");
    assert!(refused.to_string().contains("2026-03-01T12:15:00"), "{refused}");
    assert_eq!(kids(&service).await, before);

    service.clock.advance(Duration::from_secs(900));
    let said = rotate(false).await.unwrap();
    let after = until_kids(&service, |kids| kids.first() == before.get(1) && kids.len() == 3).await;
    assert_eq!(after[2], before[0], "the one that signed verifies");
    assert_eq!(kid_of(&service.password_grant("root@example.com", crate::testing::PASSWORD).await), after[0]);
    for (state, kid) in [("active", &after[0]), ("standby", &after[1]), ("previous", &after[2])] {
        assert!(said.lines().any(|line| line.starts_with(state) && line.contains(kid)), "{said}");
    }
    assert_eq!(said.lines().filter(|line| !line.ends_with("of ID tokens")).count(), 3);
    assert_eq!(obey(&service.config, &service.clock, KeyOrder::Show).await.unwrap(), said);
    assert_eq!(events(&service.ground, "signing_key.rotated").await, [json!({"cause": "command", "signs": after[0]})]);
    let _ = rotate(true).await.unwrap();
    until_kids(&service, |kids| kids.first() == after.get(1) && kids.len() == 4).await;
    service.stop().await;
}

async fn keys_of_id_tokens_are_told_by_themselves(backend: Backend) {
    let service = Setup::on(backend).set("keys.reload", "50ms").start().await;
    service.clock.advance(Duration::from_secs(900));
    let show = async || obey(&service.config, &service.clock, KeyOrder::Show).await.unwrap();
    let of = |said: &str, state: &str, id: bool| {
        let mut lines = said.lines().filter(|line| line.starts_with(state) && line.ends_with("of ID tokens") == id);
        lines.next().and_then(|line| line.split_whitespace().nth(2)).map(str::to_owned)
    };
    let before = show().await;
    let said =
        obey(&service.config, &service.clock, KeyOrder::Rotate { purpose: Purpose::Id, force: false }).await.unwrap();
    assert_eq!(of(&said, "active", true), of(&before, "standby", true), "{said}");
    assert_eq!(of(&said, "previous", true), of(&before, "active", true), "{said}");
    assert_eq!(of(&said, "active", false), of(&before, "active", false), "those of access tokens sign on");
    service.stop().await;
}

async fn a_revoked_key_is_gone_and_gateways_are_told(backend: Backend) {
    let service = Setup::on(backend).set("keys.reload", "50ms").start().await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let before = kids(&service).await;
    let ada = service.person("adalovelace").await;
    let old = service.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(kid_of(&old), before[0]);
    let revoke = |kid: &str| obey(&service.config, &service.clock, KeyOrder::Revoke(kid.to_owned()));

    let said = revoke(&before[0]).await.unwrap();
    assert!(said.lines().any(|line| line.starts_with("revoked") && line.contains(&before[0])), "{said}");
    let after = until_kids(&service, |kids| !kids.contains(&before[0])).await;
    assert_eq!((&after[0], after.len()), (&before[1], 2), "the next key signs, and there is another after it");
    let told = json!({"cause": "command", "signs": after[0], "revoked": before[0]});
    assert_eq!(events(&service.ground, "signing_key.revoked").await, [told]);
    crate::testing::until(|| list.has_signing_key(&before[0])).await;
    assert!(!list.has_signing_key(&after[0]));
    service.clock.advance(Duration::from_secs(23 * 3_600));
    assert!(list.has_signing_key(&before[0]), "longer than any gateway goes without a fresh set");

    // Its session goes on, under another key; the old token can do nothing any more, not even end it.
    let token = old.text("/access_token");
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &token)]).send().await.expect(200);
    let renewed = service.refresh(&old.text("/refresh_token")).await.expect(200);
    assert_eq!(kid_of(&renewed), after[0]);

    assert!(matches!(revoke(&before[0]).await.unwrap_err(), OrderError::Already(_)));
    assert!(matches!(revoke("nobody").await.unwrap_err(), OrderError::Unknown(_)));
    let _ = revoke(&after[1]).await.unwrap();
    until_kids(&service, |kids| kids.first() == after.first() && kids.get(1) != after.get(1) && kids.len() == 2).await;
    service.stop().await;
}
