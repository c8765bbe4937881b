//! What happens at once: whoever comes first, nothing that was ended goes on.

use futures_util::future::{join, join_all, join3};
use reqwest::Method;
use serde_json::json;

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    a_refresh_during_a_logout_and_a_disabling_outlives_neither,
    a_sign_in_during_a_password_change_outlives_nothing,
    two_instances_refresh_one_token,
}

const ROUNDS: usize = 5;

async fn a_refresh_during_a_logout_and_a_disabling_outlives_neither(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    for round in 0..ROUNDS {
        let ada = service.person(&format!("ada{round}")).await;
        let other = service.sign_in(&ada.email).await;
        let revoke = [("token", ada.refresh_token.as_str())];
        let logout = service.call(Method::POST, "/api/v1/auth/revoke").form(&revoke).send();
        let disable = service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send();
        let tokens: Vec<_> =
            [&ada, &other].into_iter().cycle().take(8).map(|person| person.refresh_token.clone()).collect();
        let refreshes = join_all(tokens.iter().map(|token| service.refresh(token)));
        let (refreshed, logout, disabled) = join3(refreshes, logout, disable).await;
        logout.expect(200);
        disabled.expect(200);
        for answer in refreshed {
            if answer.status == 200 {
                service.refresh(&answer.text("/refresh_token")).await.expect_problem(400, "invalid_grant");
            } else {
                answer.expect_problem(400, "invalid_grant");
            }
        }
        for token in tokens {
            service.refresh(&token).await.expect_problem(400, "invalid_grant");
        }
    }
    service.stop().await;
}

async fn a_sign_in_during_a_password_change_outlives_nothing(backend: Backend) {
    let service = Setup::on(backend).set("hashing.workers", "4").start().await;
    let new = "another horse battery 8 staple";
    for round in 0..ROUNDS {
        let ada = service.person(&format!("ada{round}")).await;
        let body = json!({"current_password": PASSWORD, "new_password": new});
        let change = service.call(Method::PUT, "/api/v1/users/me/password").by(&ada).json(&body).send();
        let sign_ins = join_all((0..6).map(|_| service.password_grant(&ada.email, PASSWORD)));
        let (changed, signed_in) = join(change, sign_ins).await;
        changed.expect(204);
        for answer in signed_in {
            if answer.status == 200 {
                service.refresh(&answer.text("/refresh_token")).await.expect_problem(400, "invalid_grant");
            } else {
                answer.expect_problem(400, "invalid_grant");
            }
        }
        service.refresh(&ada.refresh_token).await.expect(200);
        service.password_grant(&ada.email, new).await.expect(200);
    }
    service.stop().await;
}

async fn two_instances_refresh_one_token(backend: Backend) {
    let one = Setup::on(backend).start().await;
    let two = Setup::on(backend).at(one.clock.clone()).start_on(one.ground.shared()).await;
    let mut token = one.person("adalovelace").await.refresh_token;
    for _ in 0..ROUNDS {
        let (here, there) =
            join(join_all((0..12).map(|_| one.refresh(&token))), join_all((0..12).map(|_| two.refresh(&token)))).await;
        let mut successors: Vec<_> =
            here.into_iter().chain(there).map(|answer| answer.expect(200).text("/refresh_token")).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "one successor, whoever is asked");
        assert_ne!(successors[0], token);
        token = successors.remove(0);
    }
    two.stop().await;
    one.stop().await;
}
