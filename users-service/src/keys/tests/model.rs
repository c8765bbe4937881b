//! The promise of a rotation, held against a cluster that is late in everything it may be late in: at every instant one
//! key signs, and whoever verifies has the key of every token that may still be in use, without fetching for it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::algorithm::Algorithm;
use super::super::ring::{Ring, Rules, State};
use super::super::signing::SigningKey;

/// Everything here is in seconds.
const QUANTUM: i64 = 5;
const RELOAD: i64 = 10;
/// How old a verifier's copy may be: what a cache keeps, and how often it asks.
const COPY: i64 = 300;
const STALE: i64 = 60;
const LIFETIME: i64 = 120;
const LEEWAY: i64 = 10;

const fn rules(algorithm: Algorithm) -> Rules {
    let outlived_by = STALE + LIFETIME + LEEWAY;
    let publish_before = RELOAD + COPY;
    Rules { algorithm, rotate_every: Some(publish_before + outlived_by), publish_before, outlived_by }
}

/// What happens in a quantum: who looks after the ring, who is late, and what an operator does.
#[derive(Clone, Copy, Debug)]
struct Moment {
    tends: Option<usize>,
    reads: [bool; 3],
    fetches: [Option<usize>; 2],
    order: Order,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Nothing,
    Rotate,
    /// One of the instances is started anew with another algorithm.
    Change(usize, Algorithm),
}

fn moment() -> impl Strategy<Value = Moment> {
    let order = prop_oneof![
        60 => Just(Order::Nothing),
        2 => Just(Order::Rotate),
        1 => (0..3_usize, prop_oneof![Just(Algorithm::EdDsa), Just(Algorithm::Es256)])
            .prop_map(|(instance, algorithm)| Order::Change(instance, algorithm)),
    ];
    let fetches = [prop::option::weighted(0.1, 0..2_usize), prop::option::weighted(0.1, 0..2_usize)];
    (prop::option::weighted(0.5, 0..3_usize), any::<[bool; 3]>(), fetches, order)
        .prop_map(|(tends, reads, fetches, order)| Moment { tends, reads, fetches, order })
}

/// A service: what it last read of the ring, and when. The last of them is cut off from the database most of the time;
/// its readiness fails, so that nobody fetches from it, but what it has begun it still signs.
struct Instance {
    rules: Rules,
    ring: Ring,
    read_at: i64,
    patience: i64,
}

struct Verifier {
    kids: Vec<String>,
    fetched_at: i64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_token_verifies_everywhere_and_one_key_signs(moments in prop::collection::vec(moment(), 400)) {
        let mut ring = Ring::default();
        let mut now = 1_000;
        tend(&mut ring, &rules(Algorithm::EdDsa), now);
        let mut instances = [RELOAD, RELOAD, STALE]
            .map(|patience| Instance { rules: rules(Algorithm::EdDsa), ring: ring.clone(), read_at: now, patience });
        let copy = |ring: &Ring, now: i64| ring.public(now).keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
        let mut verifiers = [0, 1].map(|_| Verifier { kids: copy(&ring, now), fetched_at: now });
        let mut in_use: HashMap<String, i64> = HashMap::new();

        for Moment { tends, reads, fetches, order } in moments {
            now += QUANTUM;
            match order {
                Order::Nothing => {}
                Order::Rotate => {
                    let rules = instances[0].rules;
                    if ring.ripe_at(&rules).is_some_and(|ripe_at| ripe_at <= now) {
                        ring.activate(&rules, now);
                    }
                }
                Order::Change(instance, algorithm) => instances[instance].rules = rules(algorithm),
            }
            if let Some(instance) = tends {
                tend(&mut ring, &instances[instance].rules, now);
            }
            for (instance, reads) in instances.iter_mut().zip(reads) {
                let is_out_of_patience = now + QUANTUM - instance.read_at > instance.patience;
                if is_out_of_patience || (reads && instance.patience == RELOAD) {
                    (instance.ring, instance.read_at) = (ring.clone(), now);
                }
            }
            for (verifier, from) in verifiers.iter_mut().zip(fetches) {
                let must = now + QUANTUM - verifier.fetched_at > COPY;
                if let Some(from) = from.or(must.then_some(0)) {
                    *verifier = Verifier { kids: copy(&instances[from].ring, now), fetched_at: now };
                }
            }
            let signing: Vec<_> = ring.keys().iter().filter(|held| held.state == State::Active).collect();
            prop_assert_eq!(signing.len(), 1);
            prop_assert!(signing[0].key.encoding().is_ok());
            for instance in &instances {
                let kid = &instance.ring.the(State::Active).unwrap().key.kid;
                in_use.insert(kid.clone(), now + LIFETIME + LEEWAY);
            }
            in_use.retain(|_, until| *until > now);
            for (kid, verifier) in in_use.keys().flat_map(|kid| verifiers.iter().map(move |verifier| (kid, verifier))) {
                prop_assert!(verifier.kids.contains(kid), "at {} a verifier has not heard of {}", now, kid);
            }
            prop_assert!(ring.keys().len() <= 12, "keys pile up: {:?}", ring);
        }
    }
}

fn tend(ring: &mut Ring, rules: &Rules, now: i64) {
    while let Some(step) = ring.due(rules, now) {
        let fresh = step.takes_a_key().then(|| SigningKey::generate(rules.algorithm).unwrap());
        ring.take(step, fresh, rules, now);
    }
}
