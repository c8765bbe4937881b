//! Too many questions at once, told from an issuer that is down.

use serde_json::json;
use shared::problem::Code;

use super::super::issuers::Source;
use super::super::tests::fixture::*;
use super::{Known, fingerprint};

#[actix_web::test]
async fn who_came_a_moment_before_another_was_turned_away_asks_for_themselves() {
    let clock = shared::clock::Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let stub = Stub::start(Play::Say(json!({"active": true, "sub": "alice"})));
    let more = format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"{CORP}\"\nintrospection = {{ url = \"{}\" }}\n",
        stub.url
    );
    let gate = Gate::new(&clock, &config(&more));
    let issuer = gate.issuers.of("opaque").ok().unwrap();
    let Source::Asked { introspector, .. } = &issuer.source else { panic!("it is asked") };
    let later = clock.now_seconds() + 1;
    let nothing = Known { answer: None, asked_at: later, until: later, was_good: false };
    introspector.known.insert(fingerprint("opaque"), nothing).await;
    assert!(gate.bearer("opaque").await.is_ok());
    assert_eq!(stub.count(), 1);
    stub.stop().await;
}

#[actix_web::test]
async fn a_crowd_is_told_so_and_pauses_nobody() {
    let clock = shared::clock::Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let stub = Stub::start(Play::Say(json!({"active": true, "sub": "alice"})));
    let more = format!(
        "introspection.timeout = \"200ms\"\nintrospection.max_in_flight = 4\n[[authentication.issuers]]\n\
         name = \"corp\"\nissuer = \"{CORP}\"\nintrospection = {{ url = \"{}\" }}\n",
        stub.url
    );
    let gate = Gate::new(&clock, &config(&more));
    let issuer = gate.issuers.of("opaque").ok().unwrap();
    let Source::Asked { introspector, .. } = &issuer.source else { panic!("it is asked") };
    let crowd = introspector.places.acquire_many(4).await.unwrap();
    assert_eq!(gate.bearer("opaque").await.unwrap_err().code(), Code::IssuerUnavailable);
    assert_eq!(stub.count(), 0);
    drop(crowd);
    assert!(gate.bearer("another").await.is_ok() && gate.bearer("opaque").await.is_ok(), "at once");
    let outcomes = gate.metrics.encode();
    assert!(outcomes.contains("outcome=\"crowded\"} 1") && !outcomes.contains("paused"), "{outcomes}");
    stub.stop().await;
}
