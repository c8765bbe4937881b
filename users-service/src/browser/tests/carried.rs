//! What a browser carries is good for its browser alone, and refreshes as every token does.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use super::*;
use crate::testing::{Backend, Setup, on_both};

on_both! {
    fifty_refreshes_at_once_set_one_successor,
    a_refused_refresh_touches_no_cookie,
    a_cookies_token_and_a_clients_are_not_each_others,
    a_doubled_cookie_is_nobodys,
}

async fn fifty_refreshes_at_once_set_one_successor(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let line = jar.line();
    let answers = join_all((0..50).map(|_| refresh(&service, &line))).await;
    let jars: Vec<_> = answers.into_iter().map(|answer| Jar::of(&answer.expect(200))).collect();
    let successors: HashSet<_> = jars.iter().map(|jar| jar.refresh.clone()).collect();
    assert!(successors.len() == 1 && !successors.contains(&jar.refresh), "{successors:?}");
    assert!(jars.iter().all(|jar| !jar.access.is_empty()));
    // A tab that was asleep still gets it.
    service.clock.advance(Duration::from_secs(10));
    assert!(successors.contains(&Jar::of(&refresh(&service, &line).await.expect(200)).refresh));
    service.stop().await;
}

async fn a_refused_refresh_touches_no_cookie(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let next = Jar::of(&refresh(&service, &jar.line()).await.expect(200));
    for cookies in ["", "theme=dark", "__Host-tollgate-refresh=", "__Host-tollgate=x", "__host-tollgate-refresh=x"] {
        let refused = refresh(&service, cookies).await.expect_problem(401, "token_required");
        assert!(refused.cookies().is_empty() && !refused.header("www-authenticate").is_empty(), "{cookies}");
    }
    let forged = format!("{ACCESS}-refresh={}x", next.refresh);
    let refused = refresh(&service, &forged).await.expect_problem(401, "token_invalid");
    assert!(refused.cookies().is_empty() && refused.json().get("error").is_none());
    service.clock.advance(Duration::from_millis(10_001));
    // Stolen and used again: the session is over, and what the browser holds is left to it.
    let replayed = refresh(&service, &jar.line()).await.expect_problem(401, "token_invalid");
    assert!(replayed.cookies().is_empty());
    let over = refresh(&service, &next.line()).await.expect_problem(401, "token_invalid");
    assert!(over.cookies().is_empty());
    let events = "SELECT count(*) FROM audit_events WHERE kind = 'session.replayed'";
    assert_eq!(service.ground.count(events).await, 1);
    service.stop().await;
}

async fn a_cookies_token_and_a_clients_are_not_each_others(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let client = service.sign_in("adalovelace@example.org").await;
    for _ in 0..2 {
        service.refresh(&jar.refresh).await.expect_problem(400, "invalid_grant");
        let cookie = format!("{ACCESS}-refresh={}", client.refresh_token);
        refresh(&service, &cookie).await.expect_problem(401, "token_invalid");
        sign_out(&service, &cookie).await.expect(204);
        service.clock.advance(Duration::from_secs(60));
    }
    // Neither was used up by that, and neither session has ended.
    let jar = Jar::of(&refresh(&service, &jar.line()).await.expect(200));
    service.refresh(&client.refresh_token).await.expect(200);
    // But whoever holds it may give it back.
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &jar.refresh)]).send().await.expect(200);
    refresh(&service, &jar.line()).await.expect_problem(401, "token_invalid");
    service.stop().await;
}

async fn a_doubled_cookie_is_nobodys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (newcomer(&service, "adalovelace").await, newcomer(&service, "bobby").await);
    for cookies in [format!("{}; {}", ada.line(), bob.line()), format!("{}; {}", ada.line(), ada.line())] {
        let refused = refresh(&service, &cookies).await.expect_problem(401, "token_invalid");
        assert!(refused.cookies().is_empty());
        sign_out(&service, &cookies).await.expect(204);
    }
    let two_lines = service.call(Method::POST, REFRESH).header("cookie", ada.line()).header("cookie", bob.line());
    two_lines.send().await.expect_problem(401, "token_invalid");
    refresh(&service, &ada.line()).await.expect(200);
    refresh(&service, &bob.line()).await.expect(200);
    service.stop().await;
}
