//! Who is counted together, and when they may try again.

use super::*;
use crate::users::Identifier;

fn throttle(enabled: bool, clock: &Clock) -> Throttle {
    let window = Duration::from_secs(60).into();
    let config = config::Throttle {
        enabled,
        attempts: 3,
        window,
        identifier_attempts: 6,
        network_attempts: 9,
        device_memory: Duration::from_secs(3_600).into(),
    };
    Throttle::new(&config, Counters::memory(clock.clone()), clock.clone())
}

fn ticket(identifier: &str, address: &str) -> Ticket {
    Ticket::new(&Identifier::of(identifier), address.parse().ok())
}

#[tokio::test]
async fn the_fourth_attempt_waits_and_others_do_not() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let throttle = throttle(true, &clock);
    let ada = ticket("ada@example.com", "192.0.2.1");
    for _ in 0..3 {
        assert_eq!(throttle.admit(&ada).await, Ok(()));
    }
    let wait = throttle.admit(&ada).await.err();
    assert_eq!(wait, Some(Duration::from_secs(20)));
    assert!(throttle.admit(&ticket("ADA@example.com", "192.0.2.1")).await.is_err(), "the same identifier");
    assert!(throttle.admit(&ticket("ada@example.com", "192.0.2.2")).await.is_ok(), "another address");
    assert!(throttle.admit(&ticket("bob@example.com", "192.0.2.1")).await.is_ok(), "another identifier");
    clock.advance(Duration::from_secs(20));
    assert_eq!(throttle.admit(&ada).await, Ok(()));
    assert!(throttle.admit(&ada).await.is_err());
    throttle.forgive(&ada).await;
    assert_eq!(throttle.admit(&ada).await, Ok(()));
}

#[tokio::test]
async fn switched_off_it_counts_nothing() {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let throttle = throttle(false, &clock);
    for _ in 0..100 {
        assert_eq!(throttle.admit(&ticket("ada", "192.0.2.1")).await, Ok(()));
    }
}

#[test]
fn a_customer_of_ipv6_is_one_address() {
    assert_eq!(ticket("ada", "2001:db8::1"), ticket("ada", "2001:db8::ffff"));
    assert_ne!(ticket("ada", "2001:db8:0:1::1"), ticket("ada", "2001:db8::1"));
    assert_eq!(ticket("ada", "::ffff:192.0.2.1"), ticket("ada", "192.0.2.1"));
    assert_ne!(ticket("ada\n1", "192.0.2.1"), ticket("ada", "192.0.2.1"));
}

#[test]
fn however_an_address_is_spelt_it_is_one_ticket() {
    let plain = ticket("ada@bücher.example", "192.0.2.1");
    for other in ["ADA@BÜCHER.example", "ada@xn--bcher-kva.example", "ａda@bu\u{308}cher.example"] {
        assert_eq!(ticket(other, "192.0.2.1"), plain, "{other}");
    }
    // Refused as an address, so nobody is found by it either.
    assert_eq!(Identifier::of("ada@exam\u{ad}ple.com"), Identifier::Username("ada@exam\u{ad}ple.com".to_owned()));
}
