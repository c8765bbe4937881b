//! Composition, exactness and headers of rate limits, on time that is moved by hand.

use std::time::Duration;

use shared::store::{RedisOptions, StoreError, Stores};
use time::macros::datetime;

use super::*;
use crate::config::{self, Config};

fn config() -> config::RateLimit {
    Config::load(None, &[]).unwrap().rate_limit
}

fn limiter(clock: &Clock) -> RateLimiter {
    RateLimiter::new(Counters::memory(clock.clone()), 1, clock.clone())
}

fn clock() -> Clock {
    Clock::manual(datetime!(2026-01-01 0:00 UTC))
}

fn client(ip: &str) -> Client {
    Client { ip: ip.parse().unwrap(), tls: false }
}

async fn take(limiter: &RateLimiter, set: &PolicySet, ip: &str) -> Judgement {
    limiter.take(set, client(ip), None, LimiterDown::Share, &Metrics::default()).await
}

fn announced(judgement: Judgement) -> (String, String) {
    let mut headers = HeaderMap::new();
    judgement.notice.unwrap().announce(&mut headers);
    let text = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
    (text(RATE_LIMIT), text(RATE_LIMIT_POLICY))
}

#[actix_web::test]
async fn two_hundred_at_once_then_a_hundred_a_minute() {
    let clock = clock();
    let (limiter, sets) = (limiter(&clock), PolicySets::compile(&config(), &[], true));
    let set = sets.of_roles(None);
    for n in 0..200 {
        assert!(take(&limiter, set, "192.0.2.1").await.refused.is_none(), "{n}");
    }
    assert_eq!(take(&limiter, set, "192.0.2.1").await.refused.unwrap().code(), Code::RateLimited);
    assert!(take(&limiter, set, "192.0.2.2").await.refused.is_none(), "another address has its own");
    clock.advance(Duration::from_millis(600));
    assert!(take(&limiter, set, "192.0.2.1").await.refused.is_none());
    assert!(take(&limiter, set, "192.0.2.1").await.refused.is_some());
}

#[actix_web::test]
async fn a_refusal_by_one_policy_charges_none() {
    let clock = clock();
    let limiter = limiter(&clock);
    let sets = PolicySets::compile(&config(), &["sign_in".to_owned()], true);
    let set = sets.of_roles(None);
    let mut last = None;
    for _ in 0..30 {
        last = Some(take(&limiter, set, "192.0.2.1").await);
    }
    let last = last.unwrap();
    assert!(last.refused.is_some());
    let (limit, policy) = announced(last);
    assert_eq!(limit, "\"address\";r=190;t=1, \"sign_in\";r=0;t=6");
    assert_eq!(policy, "\"address\";q=100;w=60;tollgate-burst=200, \"sign_in\";q=10;w=60;tollgate-burst=10");
}

#[test]
fn the_first_matching_role_decides() {
    let sets = PolicySets::compile(&config(), &[], true);
    let name = |roles: Option<Roles>| sets.of_roles(roles).policies[0].name.to_string();
    assert_eq!(name(None), "address");
    assert_eq!(name(Some(Roles::NONE)), "address");
    assert_eq!(name(Some(Roles::NONE.with(Role::User))), "user");
    assert_eq!(name(Some(Roles::NONE.with(Role::User).with(Role::Support))), "staff");
    assert_eq!(name(Some(Roles::NONE.with(Role::User).with(Role::Admin))), "admin");
}

#[test]
fn switched_off_means_no_policy_and_no_header() {
    let sets = PolicySets::compile(&config::RateLimit { enabled: false, ..config() }, &["sign_in".to_owned()], true);
    assert!(sets.of_roles(None).policies.is_empty());
    let own = PolicySets::compile(&config(), &["sign_in".to_owned()], false);
    assert_eq!(own.of_roles(None).policies.len(), 1, "`limited = false` leaves only the route's own");
}

/// Counters on a Redis that is not there: a port that nobody listens on.
async fn unreachable(clock: &Clock) -> Counters {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = RedisOptions { first_connection: Duration::from_millis(1), ..RedisOptions::default() };
    let stores = Stores::redis_with(&format!("redis://{free}"), clock.clone(), options).await;
    let counters = stores.unwrap().counters;
    let quota = Quota { limit: 1, window: Duration::from_secs(1), burst: 1 };
    assert!(matches!(counters.peek("k", quota).await, Err(StoreError::Unavailable(_) | StoreError::Timeout(_))));
    counters
}

#[actix_web::test]
async fn without_redis_each_instance_enforces_its_share_or_the_route_refuses() {
    let (clock, metrics) = (clock(), Metrics::default());
    let limiter = RateLimiter::new(unreachable(&clock).await, 2, clock.clone());
    let sets = PolicySets::compile(&config(), &["sign_in".to_owned()], false);
    let set = sets.of_roles(None);
    let take = async |down| limiter.take(set, client("192.0.2.1"), None, down, &metrics).await;
    for n in 0..5 {
        assert!(take(LimiterDown::Share).await.refused.is_none(), "{n}");
    }
    assert_eq!(take(LimiterDown::Share).await.refused.unwrap().code(), Code::RateLimited, "half of ten");
    assert_eq!(take(LimiterDown::Refuse).await.refused.unwrap().code(), Code::RateLimiterUnavailable);
    assert!(metrics.encode().contains("tollgate_gateway_rate_limit_degraded_total 7"));
}
