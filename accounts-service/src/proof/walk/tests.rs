//! What no database of ours lets anybody bring about: rows in a wrong table, out of order, or twice in one place.

use uuid::Uuid;

use super::{Start, Walk};
use crate::proof::finding::Place;
use crate::proof::invariant::Invariant;
use crate::proof::line::Line;

/// An event that is no transfer's.
fn event(position: i64) -> Line {
    let id = Some(Uuid::from_u128(7));
    Line {
        position,
        kind: 3,
        id,
        a: id,
        b: None,
        n1: None,
        n2: None,
        n3: None,
        n4: Some(5),
        u1: None,
        u2: None,
        u3: None,
        t1: Some("account.opened".to_owned()),
        t2: None,
        t3: None,
        t4: None,
        t5: None,
        x1: None,
        x2: None,
    }
}

/// Where positions are not what they should be.
fn strange(bounds: (i64, i64), positions: &[i64]) -> Vec<Option<i64>> {
    let mut walk = Walk::new(Start::beginning(), 10);
    walk.enter(bounds.0, bounds.1);
    positions.iter().for_each(|position| walk.step(event(*position)));
    walk.finish();
    let kept = walk.findings.kept.into_iter().filter(|found| found.invariant == Invariant::Positions);
    kept.map(|found| found.place.position).collect()
}

#[test]
fn positions_go_up_once_each_within_their_table() {
    assert_eq!(strange((i64::MIN, 10), &[1, 3, 9]), []);
    assert_eq!(strange((i64::MIN, 10), &[1, 3, 10, 11]), [Some(10), Some(11)]);
    assert_eq!(strange((2, 10), &[1, 3]), [Some(1)]);
    assert_eq!(strange((i64::MIN, 10), &[3, 1, 4]), [Some(1)]);
    assert_eq!(strange((i64::MIN, 10), &[3, 3, 4]), [Some(3)]);
}

#[test]
fn a_row_that_lacks_what_the_schema_demands_is_told() {
    let mut walk = Walk::new(Start::beginning(), 10);
    walk.step(Line { t1: None, ..event(1) });
    walk.finish();
    let first = walk.findings.first.map(|found| (found.invariant, found.place));
    assert_eq!(first, Some((Invariant::Positions, Place::at(1))));
}
