//! Which key signs when, and what is believed.

mod believed;

use proptest::prelude::*;
use shared::auth::Seal;

use super::key::{KeyError, Made, open};
use super::ring::{Irrevocable, Ring};

const SECOND: i64 = 1_000_000;
const START: i64 = 1_795_250_000 * SECOND + 7;

fn made() -> Made {
    Made::new(&Seal::of(&[b"one"]).unwrap()).unwrap()
}

fn first() -> Ring {
    let mut ring = Ring::default();
    ring.succeed(made(), START, START);
    ring
}

fn signs(ring: &Ring, now: i64) -> String {
    ring.signer(now).unwrap().kid.clone()
}

#[test]
fn a_successor_is_published_at_once_and_signs_from_its_second_on() {
    let mut ring = first();
    let old = signs(&ring, START);
    let from = START + 60 * SECOND;
    ring.succeed(made(), START + SECOND, from);
    let (new, turn) = (ring.next(START).unwrap().kid.clone(), from / SECOND * SECOND);
    assert_eq!((signs(&ring, turn - 1), signs(&ring, turn)), (old.clone(), new.clone()));
    let set = ring.published(turn - 1).keys;
    assert_eq!(set.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), [new.as_str(), &old]);
    assert_eq!((set[0].nbf, set[1].exp), (turn / SECOND, None), "an end to come is not told");
    assert_eq!(ring.published(turn).keys[1].exp, Some(turn / SECOND));
    assert!(!ring.clone().erase(turn + 599 * SECOND));
    assert!(ring.erase(turn + 600 * SECOND) && !ring.erase(i64::MAX));
    assert!(ring.keys().iter().all(|held| held.sealed.is_some() == (held.kid == new)));
    assert_eq!(ring.published(i64::MAX).keys.len(), 2, "for ever");
}

#[test]
fn a_revoked_key_signs_nothing_and_whoever_was_to_end_for_it_does_not() {
    let mut ring = first();
    let old = signs(&ring, START);
    ring.succeed(made(), START, START + 60 * SECOND);
    let next = ring.next(START).unwrap().kid.clone();
    let mut other = ring.clone();
    other.revoke(&next, START, START).unwrap();
    assert_eq!((signs(&other, START + 61 * SECOND), other.next(START)), (old.clone(), None));
    assert_eq!(other.revoke("x", START, START), Err(Irrevocable::Unknown));
    assert_eq!(other.revoke(&next, START, START), Err(Irrevocable::Already));
    other.revoke(&next, START - SECOND, START).unwrap();

    ring.revoke(&old, START - 5 * SECOND, START + SECOND).unwrap();
    ring.take_over(None, START + SECOND, START + SECOND);
    assert_eq!(signs(&ring, START + SECOND), next, "it knows the key already");
    let shown = ring.published(START + SECOND).keys.into_iter().find(|key| key.kid == old).unwrap();
    assert_eq!(shown.revoked.unwrap().revoked_at, START / SECOND - 5);
    let spare = made();
    ring.take_over(Some(spare.clone()), START + 2 * SECOND, START + 2 * SECOND);
    assert_eq!(signs(&ring, START + 2 * SECOND), spare.kid);
}

#[test]
fn a_key_opens_for_itself_under_its_secret_and_for_nothing_else() {
    let [one, two] = [b"one", b"two"].map(|secret| Seal::of(&[secret]).unwrap());
    let (key, other) = (Made::new(&one).unwrap(), Made::new(&one).unwrap());
    assert!(open(&one, &key.kid, &key.public, &key.sealed).is_ok());
    let wrong = open(&two, &key.kid, &key.public, &key.sealed).unwrap_err();
    assert!(wrong == KeyError::Sealed(key.kid.clone()) && wrong.to_string().contains("receipts.seal_secret"));
    assert!(open(&one, &key.kid, &other.public, &key.sealed).is_err(), "another's public half");
    assert!(open(&one, &other.kid, &key.public, &key.sealed).is_err(), "another's name");
}

#[test]
fn a_key_that_will_never_sign_ends_none() {
    let mut ring = first();
    let old = signs(&ring, START);
    ring.take_over(Some(made()), START, START + 10 * SECOND);
    let given_up = ring.next(START).unwrap().kid.clone();
    let (spare, turn) = (made(), (START / SECOND + 15) * SECOND);
    ring.take_over(Some(spare.clone()), START + 5 * SECOND, turn);
    let signers = [START + 12 * SECOND, turn - 1, turn].map(|at| signs(&ring, at));
    assert_eq!(signers, [old.clone(), old, spare.kid.clone()]);
    assert!(ring.keys().iter().any(|held| held.kid == given_up && held.sealed.is_none()));
    // Who signs sooner than that anyway is not put off.
    ring.succeed(made(), turn, turn + 3 * SECOND);
    ring.take_over(None, turn, turn + 10 * SECOND);
    assert_ne!(signs(&ring, turn + 3 * SECOND), spare.kid);
}

proptest! {
    /// Whatever is ordered, whenever: somebody signs, by a key that the published set believes, no key ever goes, and what was
    /// signed stays believed unless its key is revoked, by whichever clock.
    #[test]
    fn somebody_signs_and_is_believed(orders in proptest::collection::vec((0_u8..5, 0_i64..2_000 * SECOND), 1..24)) {
        let (mut ring, mut now, mut signed) = (first(), START, Vec::new());
        for (order, later) in orders {
            let known = ring.keys().len();
            now += later;
            signed.extend([now, now + 9 * SECOND].map(|clock| (signs(&ring, clock), clock / SECOND)));
            match order {
                0 if ring.next(now).is_none() => ring.succeed(made(), now, now + 900 * SECOND),
                1 => ring.take_over(Some(made()), now, now + 10 * SECOND),
                2 => {
                    let kid = signs(&ring, now);
                    ring.revoke(&kid, now, now).unwrap();
                    let spare = ring.next(now).is_none().then(made);
                    ring.take_over(spare, now, now);
                }
                3 => {
                    let next = ring.next(now).map(|held| held.kid.clone());
                    if let Some(kid) = next {
                        ring.revoke(&kid, now, now).unwrap();
                    }
                }
                _ => drop(ring.erase(now)),
            }
            prop_assert!(ring.keys().len() >= known);
            for at in [now, now + 899 * SECOND, now + 902 * SECOND] {
                let kid = signs(&ring, at);
                let set = ring.published(at).keys;
                let key = set.iter().find(|key| key.kid == kid).unwrap();
                let iat = at / SECOND;
                prop_assert!(key.is_ours() && key.nbf <= iat && key.exp.is_none() && key.revoked.is_none());
            }
        }
        let set = ring.published(i64::MAX).keys;
        for (kid, iat) in signed {
            let key = set.iter().find(|key| key.kid == kid).unwrap();
            let is_timely = key.nbf <= iat && key.exp.is_none_or(|exp| iat < exp);
            prop_assert!(is_timely || key.revoked.is_some(), "{iat}: {key:?}");
        }
    }
}
