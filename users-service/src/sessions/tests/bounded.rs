//! Nobody has more sessions than they may.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    beyond_the_bound_whatever_was_not_used_for_longest_ends,
    sign_ins_at_once_keep_the_bound,
}

const LIVING: &str = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";
const ENDED: &str = "SELECT count(*) FROM audit_events WHERE kind = 'session.ended' AND detail LIKE '%too_many%'";

async fn beyond_the_bound_whatever_was_not_used_for_longest_ends(backend: Backend) {
    let service = Setup::on(backend).set("sessions.per_user", "3").start().await;
    let first = service.person("adalovelace").await;
    let mut later = Vec::new();
    for _ in 0..2 {
        service.clock.advance(Duration::from_secs(60));
        later.push(service.sign_in(&first.email).await);
    }
    // The oldest is in use, so it is not the one that goes.
    service.clock.advance(Duration::from_secs(60));
    let token = service.refresh(&first.refresh_token).await.expect(200).text("/refresh_token");
    let bob = service.person("bobby").await;
    assert_eq!(service.ground.count(ENDED).await, 0);
    service.sign_in(&first.email).await;
    assert_eq!((service.ground.count(LIVING).await, service.ground.count(ENDED).await), (4, 1));
    service.until_revoked(later[0].claims.sid).await;
    service.refresh(&later[0].refresh_token).await.expect_problem(400, "invalid_grant");
    for token in [&token, &later[1].refresh_token, &bob.refresh_token] {
        service.refresh(token).await.expect(200);
    }
    // What is over does not count.
    service
        .call(Method::POST, "/api/v1/auth/revoke")
        .form(&[("token", &later[1].refresh_token)])
        .send()
        .await
        .expect(200);
    service.sign_in(&first.email).await;
    assert_eq!(service.ground.count(ENDED).await, 1);
    service.stop().await;
}

async fn sign_ins_at_once_keep_the_bound(backend: Backend) {
    let service = Setup::on(backend).set("sessions.per_user", "3").start().await;
    service.person("adalovelace").await;
    let sign_ins = (0..10).map(|_| service.password_grant("adalovelace", PASSWORD));
    for answer in join_all(sign_ins).await {
        answer.expect(200);
    }
    assert_eq!((service.ground.count(LIVING).await, service.ground.count(ENDED).await), (3, 8));
    service.stop().await;
}
