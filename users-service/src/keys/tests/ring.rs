//! The table of transitions: what is due in which state, and what comes of it.

use super::super::algorithm::Algorithm;
use super::super::purpose::Purpose;
use super::super::ring::{Held, Irrevocable, Ring, Rules, State, Step};
use super::super::rows;
use super::super::signing::SigningKey;

const SECOND: i64 = 1_000_000;
const NOW: i64 = 1_000 * SECOND;

fn rules() -> Rules {
    Rules {
        algorithm: Algorithm::EdDsa,
        rotate_every: Some(1_000 * SECOND),
        publish_before: 100 * SECOND,
        outlived_by: 50 * SECOND,
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

/// A key in this state since so many seconds ago.
fn held(state: State, ago: i64) -> Held {
    let since = NOW - ago * SECOND;
    Held {
        key: key().into(),
        state,
        created_at: since,
        published_at: since,
        activated_at: (state != State::Standby).then_some(since),
        gone_at: match state {
            State::Standby | State::Active => None,
            State::Previous => Some(since + rules().outlived_by),
            State::Revoked => Some(since),
        },
    }
}

/// Keys with their ages in seconds, what is asked for, what is due, and the keys afterwards.
type Row = (&'static [(State, i64)], Rules, Option<Step>, &'static [State]);

fn states(ring: &Ring) -> Vec<State> {
    ring.keys().iter().map(|held| held.state).collect()
}

#[test]
fn what_is_due() {
    use State::{Active, Previous, Revoked, Standby};
    let never = Rules { rotate_every: None, ..rules() };
    let other = Rules { algorithm: Algorithm::Es256, ..rules() };
    let table: [Row; 15] = [
        (&[], rules(), Some(Step::MakeActive), &[Active]),
        (&[(Active, 0)], rules(), Some(Step::MakeStandby), &[Active, Standby]),
        (&[(Active, 0), (Standby, 0)], rules(), None, &[Active, Standby]),
        (&[(Standby, 0)], rules(), Some(Step::Activate), &[Active]),
        // It has signed for long enough, and the next one has been published for long enough.
        (&[(Active, 999), (Standby, 999)], rules(), None, &[Active, Standby]),
        (&[(Active, 1_000), (Standby, 99)], rules(), None, &[Active, Standby]),
        (&[(Active, 1_000), (Standby, 100)], rules(), Some(Step::Activate), &[Active, Previous]),
        (&[(Active, 1_000_000), (Standby, 1_000)], never, None, &[Active, Standby]),
        // Another algorithm: the next key makes room for one of the right kind.
        (&[(Active, 10), (Standby, 99)], other, None, &[Active, Standby]),
        (&[(Active, 10), (Standby, 100)], other, Some(Step::GiveUp), &[Active]),
        (&[(Active, 10)], other, Some(Step::MakeStandby), &[Active, Standby]),
        // What nobody needs any more.
        (&[(Active, 9), (Standby, 9), (Previous, 49)], rules(), None, &[Active, Standby, Previous]),
        (&[(Active, 9), (Standby, 9), (Previous, 50)], rules(), Some(Step::Forget), &[Active, Standby]),
        (&[(Active, 9), (Standby, 9), (Revoked, 86_400)], rules(), None, &[Active, Standby, Revoked]),
        (&[(Active, 9), (Standby, 9), (Revoked, 30 * 86_400)], rules(), Some(Step::Forget), &[Active, Standby]),
    ];
    for (keys, rules, due, after) in table {
        let mut ring = Ring::of(keys.iter().map(|(state, ago)| held(*state, *ago)).collect());
        assert_eq!(ring.due(&rules, NOW), due, "{keys:?}");
        if let Some(step) = due {
            let fresh = step.takes_a_key().then(|| SigningKey::generate(rules.algorithm).unwrap());
            ring.take(step, fresh, &rules, NOW);
        }
        assert_eq!(states(&ring), after, "{keys:?}");
    }
}

#[test]
fn a_change_of_algorithm_publishes_first_and_signs_later() {
    let es256 = Rules { algorithm: Algorithm::Es256, ..rules() };
    let mut ring = Ring::of(vec![held(State::Active, 10), held(State::Standby, 200)]);
    let mut now = NOW;
    let tend = |ring: &mut Ring, now| {
        while let Some(step) = ring.due(&es256, now) {
            ring.take(step, step.takes_a_key().then(|| SigningKey::generate(Algorithm::Es256).unwrap()), &es256, now);
        }
        ring.keys().iter().map(|held| (held.state, held.key.algorithm)).collect::<Vec<_>>()
    };
    let (ed, es) = (Algorithm::EdDsa, Algorithm::Es256);
    assert_eq!(tend(&mut ring, now), [(State::Active, ed), (State::Standby, es)]);
    now += 99 * SECOND;
    assert_eq!(tend(&mut ring, now), [(State::Active, ed), (State::Standby, es)]);
    now += SECOND;
    assert_eq!(tend(&mut ring, now), [(State::Active, es), (State::Standby, es), (State::Previous, ed)]);
    now += 50 * SECOND;
    assert_eq!(tend(&mut ring, now), [(State::Active, es), (State::Standby, es)]);
}

#[test]
fn whoever_signs_no_more_keeps_no_private_half() {
    let mut ring = Ring::of(vec![held(State::Active, 10), held(State::Standby, 10)]);
    let [first, second] = [0, 1].map(|at| ring.keys()[at].key.kid.clone());
    ring.take(Step::Activate, None, &rules(), NOW);
    let previous = ring.published(&first, NOW).unwrap();
    assert!(previous.key.encoding().is_err() && previous.key.decoding().is_ok());
    assert_eq!(ring.the(State::Active).unwrap().key.kid, second);
    assert!(ring.published(&first, NOW + 50 * SECOND).is_none(), "even before its row is gone");
}

#[test]
fn a_revoked_key_is_gone_at_once_and_the_next_one_signs() {
    let full = || Ring::of(vec![held(State::Active, 10), held(State::Standby, 0), held(State::Previous, 10)]);
    for (at, after) in [
        (0, [State::Active, State::Previous, State::Revoked]),
        (1, [State::Active, State::Previous, State::Revoked]),
        (2, [State::Active, State::Standby, State::Revoked]),
    ] {
        let mut ring = full();
        let kid = ring.keys()[at].key.kid.clone();
        ring.revoke(&kid, None, NOW).unwrap();
        assert_eq!(states(&ring), after);
        assert!(ring.published(&kid, NOW).is_none());
        assert!(!ring.public(NOW).keys.iter().any(|key| key.kid == kid));
        assert_eq!(ring.revoke(&kid, None, NOW), Err(Irrevocable::Already));
    }
    assert_eq!(full().revoke("nobody", None, NOW), Err(Irrevocable::Unknown));
    let mut alone = Ring::of(vec![held(State::Active, 10)]);
    let kid = alone.keys()[0].key.kid.clone();
    alone.revoke(&kid, Some(key()), NOW).unwrap();
    assert_eq!(states(&alone), [State::Active, State::Revoked], "there is no instant without a key that signs");
}

#[tokio::test]
async fn the_database_gives_back_what_it_is_given_and_holds_one_active_key() {
    let folder = tempfile::tempdir().unwrap();
    let database = crate::db::Database::connect(&crate::testing::config(&folder).database).await.unwrap();
    database.migrate().await.unwrap();
    let all = State::ALL.map(|state| held(state, 10)).to_vec();
    let before = Ring::of(all);
    for purpose in [Purpose::Access, Purpose::Id] {
        let write = database.write().await.unwrap();
        rows::save(&write, purpose, &Ring::default(), &before).await.unwrap();
        let mut after = before.clone();
        after.take(Step::Activate, None, &rules(), NOW);
        rows::save(&write, purpose, &before, &after).await.unwrap();
        assert_eq!(rows::load(write.transaction(), purpose).await.unwrap(), after);
        let second = Ring::of(vec![held(State::Active, 0)]);
        let refused = rows::save(&write, purpose, &Ring::default(), &second).await.unwrap_err();
        assert!(refused.violates("state"), "{refused}");
        write.rollback().await;
    }
    database.close().await;
}
