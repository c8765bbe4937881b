//! Whoever it is, a failed sign-in is the same work: counted exactly, and measured.

use rand::seq::SliceRandom;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;
use shared::config::Secret;
use tokio::time::Instant;

use crate::passwords::Hasher;
use crate::testing::{Backend, PASSWORD, Running, Setup, on_both};

on_both! {
    the_same_work_whoever_it_is,
    medians_of_interleaved_failures_agree,
    a_right_password_tells_the_status_and_a_wrong_one_nothing,
}

const WRONG: &str = "wrong horse 9";

/// Somebody in every standing: `known`, `unverified`, `disabled`, `deleted`, and `unknown`, who is not there.
async fn crowd(service: &Running) {
    let admin = service.administrator().await;
    for name in ["known", "unverified", "disabled", "deleted"] {
        let person = service.person(name).await;
        let path = format!("/api/v1/users/{}", person.id);
        match name {
            "disabled" => {
                service.call(Method::POST, &format!("{path}/disable")).by(&admin).send().await.expect(200);
            }
            "deleted" => {
                service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
            }
            _ => {}
        }
    }
    sql(service, "UPDATE users SET email_verified = true WHERE username = 'known'").await;
}

const STANDINGS: [&str; 5] = ["known", "unknown", "disabled", "deleted", "unverified"];

async fn sql(service: &Running, sql: &str) {
    service.app.database.read().execute_unprepared(sql).await.unwrap();
}

async fn the_same_work_whoever_it_is(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "4");
    let service = setup.start().await;
    crowd(&service).await;
    let hashes = || service.app.hasher.work().0;
    for who in STANDINGS {
        for name in [who.to_owned(), format!("{who}@example.org")] {
            let before = hashes();
            service.password_grant(&name, WRONG).await.expect_problem(400, "invalid_grant");
            assert_eq!(hashes() - before, 1, "{name}");
        }
    }
    for who in ["disabled", "deleted", "unknown"] {
        let before = hashes();
        service.password_grant(who, PASSWORD).await.expect_problem(400, "invalid_grant");
        assert_eq!(hashes() - before, 1, "{who} with the right password");
    }
    for who in STANDINGS {
        while service.password_grant(who, WRONG).await.status == 400 {}
        let before = hashes();
        service.password_grant(who, WRONG).await.expect_problem(429, "rate_limited");
        assert_eq!(hashes(), before, "{who} is throttled before any work");
    }
    let ground = service.halt().await;
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start_on(ground).await;
    let before = service.app.hasher.work().0;
    let hidden = service.password_grant("unverified", PASSWORD).await.expect_problem(400, "invalid_grant").json();
    let wrong = service.password_grant("unverified", WRONG).await.expect_problem(400, "invalid_grant").json();
    assert_eq!(hidden["detail"], wrong["detail"]);
    assert_eq!(service.app.hasher.work().0 - before, 2, "right or wrong, who is not disclosed costs one");
    service.stop().await;
}

async fn a_right_password_tells_the_status_and_a_wrong_one_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    crowd(&service).await;
    let said = async |who: &str, password: &str| {
        let refused = service.password_grant(who, password).await.expect_problem(400, "invalid_grant").json();
        assert_eq!((&refused["error"], &refused["error_description"]), (&json!("invalid_grant"), &refused["detail"]));
        refused["detail"].as_str().unwrap().to_owned()
    };
    let nothing = said("unknown", WRONG).await;
    for who in STANDINGS {
        assert_eq!(said(who, WRONG).await, nothing, "{who}");
    }
    assert_eq!(said("unknown", PASSWORD).await, nothing);
    assert!(said("disabled", PASSWORD).await.contains("disabled"));
    assert!(said("deleted@example.org", PASSWORD).await.contains("deleted"));
    service.stop().await;
}

/// Attempts of each kind.
const ROUNDS: usize = 60;

/// The chance that [`spread`] exceeds this where nothing tells five kinds apart is below one in ten million (chi square,
/// four degrees of freedom).
const CLEARLY: f64 = 40.0;

/// How long each takes, one after another, in an order that is shuffled anew in each round: whatever else goes on at this
/// machine falls on all of them alike.
async fn measure(service: &Running, kinds: [&str; 5]) -> [Vec<f64>; 5] {
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let mut order = [0, 1, 2, 3, 4];
        order.shuffle(&mut rand::rng());
        for kind in order {
            let begun = Instant::now();
            service.password_grant(kinds[kind], WRONG).await.expect_problem(400, "invalid_grant");
            times[kind].push(begun.elapsed().as_secs_f64());
        }
    }
    times
}

/// How far the kinds' mean ranks lie apart (Kruskal and Wallis, 1952): about 4 where nothing tells them apart, 143 where all
/// of one kind come before all others.
#[expect(clippy::float_arithmetic, reason = "statistics, never money")]
fn spread(times: &[Vec<f64>; 5]) -> f64 {
    let mut all: Vec<_> =
        times.iter().enumerate().flat_map(|(kind, times)| times.iter().map(move |time| (*time, kind))).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut ranks = [0.0; 5];
    for (rank, (_, kind)) in all.iter().enumerate() {
        ranks[*kind] += rank as f64 + 1.0;
    }
    let (n, each) = (all.len() as f64, ROUNDS as f64);
    let apart: f64 = ranks.iter().map(|sum| each * (sum / each - (n + 1.0) / 2.0).powi(2)).sum();
    12.0 / (n * (n + 1.0)) * apart
}

/// A hash that takes a few milliseconds, and other things that take less.
async fn medians_of_interleaved_failures_agree(backend: Backend) {
    let costly = |setup: Setup| setup.set("hashing.memory_kib", "8192").set("hashing.passes", "2");
    let service = costly(Setup::on(backend)).set("hashing.workers", "1").start().await;
    crowd(&service).await;
    let apart = spread(&measure(&service, STANDINGS).await);
    assert!(apart < CLEARLY, "the kinds lie {apart:.1} apart");
    // That it would be seen: somebody whose hash costs next to nothing, and all else is as with the others.
    let config = crate::config::Hashing { memory_kib: 8, passes: 1, ..service.config.hashing.clone() };
    let cheap = Hasher::start(&config).unwrap().hash(&Secret::from(PASSWORD.to_owned())).await.unwrap();
    sql(&service, &format!("UPDATE users SET password_hash = '{}' WHERE username = 'unverified'", cheap.as_str()))
        .await;
    let apart = spread(&measure(&service, STANDINGS).await);
    assert!(apart > CLEARLY, "a hash that is left out lies only {apart:.1} apart");
    service.stop().await;
}
