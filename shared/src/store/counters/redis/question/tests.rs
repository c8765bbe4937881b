//! What becomes of a question whose caller and whose answer may come in any order: nothing is let through for nothing, and
//! nothing is charged twice.

use std::time::Duration;

use smallvec::smallvec;

use super::*;
use crate::clock::Clock;
use crate::store::gcra::{Meter, Quota};

const QUOTA: Quota = Quota { limit: 60, window: Duration::from_secs(60), burst: 12 };
const INSTANCES: u32 = 3;

struct Bench {
    mirror: Mirror,
    meter: Meter,
    question: Question,
    told: oneshot::Receiver<Told>,
}

impl Bench {
    /// A question after one key, of whose counter `known` units are used.
    fn new(known: u64) -> Self {
        let mirror = Mirror::new(&Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC)));
        let (meter, print) = (Meter::of(QUOTA), mirror.print("k"));
        let need = meter.need(1);
        mirror.learn(print, &meter, INSTANCES, known * need, 0);
        let asked = smallvec![Asked { key: "k".to_owned(), print, meter, need, cost: need, shadow: false }];
        let (question, told) = Question::new(asked, INSTANCES, true);
        Self { mirror, meter, question, told }
    }

    /// Its caller gives up waiting. Says whether it is let through alone.
    fn leaves(&self) -> bool {
        self.question.leave(&self.mirror).unwrap()[0].allowed
    }

    /// The counter answers: whether it had room, and how many units are used.
    fn is_answered(&self, room: bool, used: u64) {
        self.question.answer(&[(room, self.meter.need(used))], &self.mirror);
    }

    /// Units that the counter has to be told of, and those that it charged for nothing.
    fn left_over(&self) -> (u64, u64) {
        let debt = self.mirror.debt(self.question.asked[0].print, &self.meter, INSTANCES);
        let back: u64 = self.mirror.returns().iter().map(|(_, back)| back).sum();
        (debt.map_or(0, |debt| debt.owed / self.meter.fill), back / self.meter.fill)
    }
}

#[test]
fn an_answer_in_time_is_the_answer_and_nothing_is_left_over() {
    for (room, used) in [(true, 4), (false, 12)] {
        let mut bench = Bench::new(3);
        bench.question.promise(&bench.mirror);
        bench.is_answered(room, used);
        assert_eq!(bench.told.try_recv().unwrap().unwrap()[0].allowed, room);
        assert!(bench.question.leave(&bench.mirror).is_none(), "it has been answered");
        assert_eq!(bench.left_over(), (0, 0));
    }
}

#[test]
fn let_through_alone_it_is_paid_by_its_late_answer_or_stays_owed() {
    for (room, used, owed) in [(true, 4, 0), (false, 12, 1)] {
        let bench = Bench::new(3);
        bench.question.promise(&bench.mirror);
        assert!(bench.leaves() && bench.left_over() == (1, 0));
        bench.is_answered(room, used);
        assert_eq!(bench.left_over(), (owed, 0));
    }
}

#[test]
fn refused_alone_what_its_late_answer_charged_is_given_back() {
    for (room, used, back) in [(true, 11, 1), (false, 12, 0)] {
        let bench = Bench::new(10);
        bench.question.promise(&bench.mirror);
        assert!(!bench.leaves(), "two are left, and there are three instances");
        bench.is_answered(room, used);
        assert_eq!(bench.left_over(), (0, back));
    }
}

#[test]
fn whoever_goes_away_pays_nothing() {
    let Bench { mirror, meter, question, told } = Bench::new(3);
    question.promise(&mirror);
    drop(told);
    assert!(!question.is_open());
    question.answer(&[(true, meter.need(4))], &mirror);
    assert_eq!((mirror.debt(question.asked[0].print, &meter, INSTANCES), mirror.returns().len()), (None, 1));
}

#[test]
fn a_lost_call_leaves_its_callers_to_decide_alone_once() {
    let mut bench = Bench::new(3);
    bench.question.promise(&bench.mirror);
    bench.question.lose(&StoreError::Unavailable("gone".to_owned()));
    assert!(bench.told.try_recv().unwrap().is_err());
    assert!(bench.leaves());
    assert_eq!(bench.left_over(), (1, 0), "charged when it was promised, and not again");
}
