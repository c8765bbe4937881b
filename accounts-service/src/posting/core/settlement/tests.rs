//! Posting, voiding and reversing, as pure decisions.

use shared::domain::{Amount, MAX_AMOUNT};
use uuid::Uuid;

use super::super::{
    Account, Asker, Command, Decided, Decline, Draft, Effect, Hold, HoldState, Kind, Lapsed, Limit, Memo, Order,
    Pending, Seen, State, Status, Stop, Window, apply, checks, decide, lapse,
};

const MINUTE: i64 = 60_000_000;

fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

fn account(n: u8) -> Account {
    Account {
        id: id(n).into(),
        owner: id(100 + n).into(),
        kind: Kind::User,
        currency: "USD".parse().unwrap(),
        status: Status::Open,
        balance: 100,
        held: 0,
        floor: Some(0),
        ceiling: None,
        seq: 3,
        version: 7,
        next_expiry: None,
        limited: false,
    }
}

fn asker(n: u8) -> Asker {
    Asker { user: id(100 + n).into(), treasurer: false, reads_all: false }
}

fn amount(count: i64) -> Amount {
    Amount::try_from(count).unwrap()
}

/// A world of payer (1) and receiver (2), in which things are done one after the other.
struct World {
    state: State,
    now: i64,
    made: u8,
    /// Lapsed holds whose rows are looked up at once.
    at_once: usize,
}

impl World {
    fn new() -> Self {
        let mut state = State::default();
        for n in [1, 2] {
            state.accounts.learn(id(n).into(), Some(account(n)));
            state.windows.learn(id(n).into(), Some(Vec::new()));
        }
        Self { state, now: 0, made: 150, at_once: 100 }
    }

    /// What it comes to, with everything that time has ended looked up as the database would.
    fn run(&mut self, command: Command) -> Result<Effect, Decline> {
        self.made += 1;
        let draft = Draft { id: id(self.made).into(), command, memo: Memo::default() };
        for n in [1, 2] {
            let open = |hold: &&Hold| hold.state == HoldState::Open && hold.debit == id(n).into();
            let ids: Vec<_> = (150..=self.made).map(|made| id(made).into()).collect();
            let held: Vec<_> = ids.iter().filter_map(|id| self.state.holds.row(id)).filter(open).copied().collect();
            let (holds, left): (Vec<_>, Vec<_>) = held.into_iter().partition(|hold| hold.lapsed(self.now));
            let next = left.iter().filter_map(|hold| hold.expires_at).min();
            let counted = |hold: &&Hold| self.account(n).next_expiry.is_some_and(|next| hold.expires_at >= Some(next));
            let sum = holds.iter().filter(counted).map(Hold::remaining).sum();
            let holds = holds.into_iter().take(self.at_once).collect();
            self.state.lapsed.learn(id(n).into(), Some(Lapsed { at: self.now, sum, holds, next }));
        }
        let effect = decide(&self.state, &draft, self.now).map_err(|stop| match stop {
            Stop::Declined(decline) => decline,
            Stop::Missing(need) => panic!("{need:?}"),
        })?;
        apply(&mut self.state, &effect);
        let decided = Decided { record: effect.record, memo: draft.memo };
        self.state.originals.learn(draft.id, Some(decided));
        if self.state.reversals.row(&draft.id).is_none() {
            self.state.reversals.learn(draft.id, None);
        }
        Ok(effect)
    }

    fn order(&mut self, count: i64, pending: Option<Pending>) -> Result<Effect, Decline> {
        let order = Order::new((id(1).into(), id(2).into()), amount(count), "USD".parse().unwrap(), id(101).into());
        let mut order = order.unwrap();
        order.pending = pending;
        self.run(Command::Transfer(order))
    }

    fn hold(&mut self, count: i64, expires_in: Option<i64>) -> Uuid {
        self.order(count, Some(Pending { expires_in })).unwrap().record.id.as_uuid()
    }

    fn post(&mut self, of: Uuid, count: Option<i64>, release: bool) -> Result<Effect, Decline> {
        self.run(Command::Post { of: of.into(), amount: count.map(amount), release, by: asker(1), seen: Seen::Anyhow })
    }

    fn void(&mut self, of: Uuid, by: u8) -> Result<Effect, Decline> {
        self.run(Command::Void { of: of.into(), by: asker(by), seen: Seen::Anyhow })
    }

    fn reverse(&mut self, of: Uuid, count: Option<i64>) -> Result<Effect, Decline> {
        self.run(Command::Reverse { of: of.into(), amount: count.map(amount), by: asker(2), seen: Seen::Anyhow })
    }

    fn account(&self, n: u8) -> Account {
        *self.state.account(id(n).into()).unwrap().unwrap()
    }

    fn change(&mut self, n: u8, change: impl FnOnce(&mut Account)) {
        let mut account = self.account(n);
        change(&mut account);
        self.state.accounts.learn(account.id, Some(account));
    }

    /// Balance and held of the payer, and the balance of the receiver.
    fn sums(&self) -> (i64, i64, i64) {
        (self.account(1).balance, self.account(1).held, self.account(2).balance)
    }
}

#[test]
fn a_hold_spends_and_a_post_moves() {
    let mut world = World::new();
    let hold = world.hold(60, None);
    assert_eq!(world.sums(), (100, 60, 100));
    assert_eq!((world.account(1).seq, world.account(1).version, world.account(2).version), (3, 8, 7));
    assert_eq!(world.order(41, None).unwrap_err(), Decline::InsufficientFunds);
    assert_eq!(world.order(41, Some(Pending { expires_in: None })).unwrap_err(), Decline::InsufficientFunds);
    let posted = world.post(hold, None, false).unwrap();
    assert_eq!(world.sums(), (40, 0, 160));
    assert_eq!((posted.record.amount.get(), posted.record.pending_of), (60, Some(hold.into())));
    assert_eq!((world.account(1).seq, world.account(2).seq), (4, 4));
    assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::TransferNotPending);
}

#[test]
fn parts_are_posted_up_to_what_is_held_and_the_rest_is_released_by_choice() {
    let mut world = World::new();
    let hold = world.hold(60, None);
    world.post(hold, Some(10), false).unwrap();
    assert_eq!(world.sums(), (90, 50, 110));
    assert_eq!(world.post(hold, Some(51), false).unwrap_err(), Decline::AmountExceedsPending);
    world.post(hold, Some(20), true).unwrap();
    assert_eq!(world.sums(), (70, 0, 130));
    assert_eq!(world.post(hold, Some(1), false).unwrap_err(), Decline::TransferNotPending);
}

#[test]
fn a_void_frees_whatever_is_left_even_on_a_frozen_account() {
    let mut world = World::new();
    let hold = world.hold(60, None);
    world.post(hold, Some(10), false).unwrap();
    world.change(1, |account| account.status = Status::Frozen);
    assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::DebitAccountFrozen);
    assert_eq!(world.void(hold, 3).unwrap_err(), Decline::TransferNotFound);
    let voided = world.void(hold, 2).unwrap();
    assert_eq!((voided.record.amount.get(), voided.record.pending_of), (50, Some(hold.into())));
    assert!(voided.posting().is_none());
    assert_eq!(world.sums(), (90, 0, 110));
    assert_eq!(world.void(hold, 1).unwrap_err(), Decline::TransferNotPending);
}

#[test]
fn expiry_is_judged_when_asked_to_the_microsecond() {
    for (at, posts) in [(999_999, true), (1_000_000, false), (1_000_001, false)] {
        let mut world = World::new();
        let hold = world.hold(60, Some(1_000_000));
        world.now = at;
        assert_eq!(
            world.post(hold, Some(1), false).map(drop),
            if posts { Ok(()) } else { Err(Decline::TransferExpired) }
        );
        if !posts {
            assert_eq!(world.void(hold, 1).unwrap_err(), Decline::TransferExpired);
            // What it held is free at once, and is written down by whoever needs it.
            world.order(100, None).unwrap();
            assert_eq!(world.sums(), (0, 0, 200));
            assert_eq!(world.state.holds.row(&hold.into()).unwrap().state, HoldState::Expired);
            assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::TransferExpired);
        }
    }
}

#[test]
fn time_ends_what_a_part_was_posted_of_as_well() {
    let mut world = World::new();
    let hold = world.hold(60, Some(MINUTE));
    world.post(hold, Some(10), false).unwrap();
    world.now = MINUTE;
    assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::TransferExpired);
    let (after, ended) = lapse(&mut world.state, id(1).into(), MINUTE).unwrap().unwrap();
    assert_eq!((after.held, after.next_expiry, ended), (0, None, 1));
    assert_eq!(world.state.holds.row(&hold.into()).unwrap().state, HoldState::Posted);
    assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::TransferExpired);
}

#[test]
fn all_that_has_lapsed_is_free_at_once_and_its_rows_are_ended_some_at_a_time() {
    let mut world = World::new();
    world.at_once = 2;
    let holds: Vec<_> = (0..5).map(|n| world.hold(10, Some(MINUTE + n))).collect();
    let later = world.hold(10, Some(3 * MINUTE));
    let open = |world: &World| {
        holds.iter().filter(|id| world.state.holds.row(&(**id).into()).unwrap().state == HoldState::Open).count()
    };
    world.now = 2 * MINUTE;
    let paid = world.order(90, None).unwrap();
    assert_eq!(paid.besides.unwrap().holds.len(), 2);
    assert_eq!((world.sums(), world.account(1).next_expiry, open(&world)), ((10, 10, 190), Some(3 * MINUTE), 3));
    // What is left of them counts in nothing more: not now, and not when the next one lapses.
    assert_eq!(world.post(holds[4], None, false).unwrap_err(), Decline::TransferExpired);
    world.order(1, None).unwrap_err();
    world.now = 3 * MINUTE;
    world.order(10, None).unwrap();
    assert_eq!((world.sums(), world.account(1).next_expiry, open(&world)), ((0, 0, 200), None, 1));
    assert_eq!(world.state.holds.row(&later.into()).unwrap().state, HoldState::Open);
    // Whoever comes by without a transfer ends the others, and the version says so.
    let version = world.account(1).version;
    assert_eq!(world.order(1, None).unwrap_err(), Decline::InsufficientFunds);
    let (after, ended) = lapse(&mut world.state, id(1).into(), 3 * MINUTE).unwrap().unwrap();
    assert_eq!((after.held, after.version, ended, open(&world)), (0, version + 1, 2, 0));
}

#[test]
fn what_is_decided_by_time_says_until_when() {
    let mut world = World::new();
    assert_eq!(world.order(1, None).unwrap().not_after(), None);
    let hold = world.order(10, Some(Pending { expires_in: Some(5) })).unwrap();
    assert_eq!(hold.not_after(), Some(5));
    assert_eq!(world.post(hold.record.id.as_uuid(), Some(1), false).unwrap().not_after(), Some(5));
    let endless = world.hold(10, None);
    assert_eq!(world.void(endless, 1).unwrap().not_after(), None);
}

#[test]
fn system_accounts_act_through_treasurers_only() {
    let mut world = World::new();
    let hold = world.hold(10, None);
    for n in [1, 2] {
        world.change(n, |account| account.kind = Kind::System);
    }
    assert_eq!(world.post(hold, None, false).unwrap_err(), Decline::Forbidden);
    assert_eq!(world.void(hold, 2).unwrap_err(), Decline::Forbidden);
    let by = Asker { treasurer: true, ..asker(9) };
    let posted =
        world.run(Command::Post { of: hold.into(), amount: None, release: false, by, seen: Seen::Anyhow }).unwrap();
    assert_eq!(world.reverse(posted.record.id.as_uuid(), None).unwrap_err(), Decline::Forbidden);
    world.run(Command::Reverse { of: posted.record.id, amount: None, by, seen: Seen::Anyhow }).unwrap();
    assert_eq!(world.sums(), (100, 0, 100));
    // Reading is not acting.
    let reader = Asker { reads_all: true, ..asker(9) };
    assert_eq!(
        world.run(Command::Void { of: hold.into(), by: reader, seen: Seen::Anyhow }).unwrap_err(),
        Decline::Forbidden
    );
}

#[test]
fn refunds_never_exceed_the_original() {
    let mut world = World::new();
    let paid = world.order(100, None).unwrap().record.id.as_uuid();
    for _ in 0..3 {
        world.reverse(paid, Some(30)).unwrap();
    }
    assert_eq!(world.reverse(paid, Some(30)).unwrap_err(), Decline::AmountExceedsOriginal);
    let last = world.reverse(paid, None).unwrap();
    assert_eq!((last.record.amount.get(), last.record.reversal_of), (10, Some(paid.into())));
    assert_eq!(world.reverse(paid, None).unwrap_err(), Decline::AmountExceedsOriginal);
    assert_eq!(world.sums(), (100, 0, 100));
    let again = Command::Reverse { of: last.record.id, amount: None, by: asker(1), seen: Seen::Anyhow };
    assert_eq!(world.run(again).unwrap_err(), Decline::TransferNotPosted);
}

#[test]
fn a_refund_comes_out_of_what_is_available() {
    let mut world = World::new();
    let paid = world.order(100, None).unwrap().record.id.as_uuid();
    world.change(2, |account| account.held = 150);
    assert_eq!(world.reverse(paid, Some(51)).unwrap_err(), Decline::InsufficientFunds);
    world.reverse(paid, Some(50)).unwrap();
}

/// A fault and how to bring it about.
type Fault<T> = (Decline, fn(&mut World, &mut T));

#[test]
fn of_two_faults_of_a_post_the_earlier_is_the_answer() {
    const FAULTS: [Fault<(Asker, i64, Uuid, Seen)>; 10] = [
        (Decline::TransferNotFound, |_, (by, ..)| *by = asker(9)),
        (Decline::Forbidden, |_, (by, ..)| *by = if by.user == asker(9).user { *by } else { asker(2) }),
        (Decline::Stale, |_, (.., seen)| *seen = Seen::As([].into())),
        (Decline::TransferNotPending, |world, (_, _, of, _)| drop(world.void(*of, 1))),
        (Decline::TransferExpired, |world, _| world.now = MINUTE),
        (Decline::AmountExceedsPending, |_, (_, amount, ..)| *amount = 61),
        (Decline::CreditAccountClosed, |world, _| world.change(2, |account| account.status = Status::Closed)),
        (Decline::DebitAccountFrozen, |world, _| world.change(1, |account| account.status = Status::Frozen)),
        (Decline::LimitExceeded, |world, _| world.change(2, |account| account.ceiling = Some(100))),
        (Decline::BalanceOverflow, |world, _| world.change(2, |account| account.balance = MAX_AMOUNT)),
    ];
    assert_eq!(FAULTS.map(|(decline, _)| decline.code()), checks::POST[1..]);
    for (first, (earlier, bring_first)) in FAULTS.iter().enumerate() {
        for (later, bring_second) in &FAULTS[first..] {
            let mut world = World::new();
            let mut wish = (asker(1), 60, world.hold(60, Some(MINUTE)), Seen::Anyhow);
            bring_first(&mut world, &mut wish);
            bring_second(&mut world, &mut wish);
            let (by, count, of, seen) = wish;
            let command = Command::Post { of: of.into(), amount: Some(amount(count)), release: false, by, seen };
            assert_eq!(world.run(command).unwrap_err(), *earlier, "{earlier:?} hides {later:?}");
        }
    }
}

#[test]
fn of_two_faults_of_a_reversal_the_earlier_is_the_answer() {
    const FAULTS: [Fault<(Asker, i64, Uuid, Seen)>; 11] = [
        (Decline::TransferNotFound, |_, (by, ..)| *by = asker(9)),
        (Decline::Forbidden, |_, (by, ..)| *by = if by.user == asker(9).user { *by } else { asker(1) }),
        (Decline::Stale, |_, (.., seen)| *seen = Seen::As([].into())),
        (Decline::TransferNotPosted, |world, (_, _, of, _)| *of = world.hold(10, None)),
        (Decline::AmountExceedsOriginal, |_, (_, amount, ..)| *amount = 61),
        (Decline::DebitAccountClosed, |world, _| world.change(2, |account| account.status = Status::Closed)),
        (Decline::CreditAccountClosed, |world, _| world.change(1, |account| account.status = Status::Closed)),
        (Decline::DebitAccountFrozen, |world, _| {
            world.change(2, |account| {
                account.status = if account.status == Status::Closed { Status::Closed } else { Status::Frozen }
            });
        }),
        (Decline::LimitExceeded, |world, _| world.change(1, |account| account.ceiling = Some(40))),
        (Decline::BalanceOverflow, |world, _| world.change(1, |account| account.balance = MAX_AMOUNT)),
        (Decline::InsufficientFunds, |world, _| world.change(2, |account| account.held = 150)),
    ];
    assert_eq!(FAULTS.map(|(decline, _)| decline.code()), checks::REVERSE[1..]);
    for (first, (earlier, bring_first)) in FAULTS.iter().enumerate() {
        for (later, bring_second) in &FAULTS[first..] {
            let mut world = World::new();
            let mut wish = (asker(2), 60, world.order(60, None).unwrap().record.id.as_uuid(), Seen::Anyhow);
            bring_first(&mut world, &mut wish);
            bring_second(&mut world, &mut wish);
            let (by, count, of, seen) = wish;
            let command = Command::Reverse { of: of.into(), amount: Some(amount(count)), by, seen };
            assert_eq!(world.run(command).unwrap_err(), *earlier, "{earlier:?} hides {later:?}");
        }
    }
}

#[test]
fn holds_count_against_velocity_and_what_is_released_counts_no_more() {
    let mut world = World::new();
    world.change(1, |account| account.limited = true);
    let limit = Limit { seconds: 3_600, amount: Some(50), count: Some(2) };
    world.state.windows.learn(id(1).into(), Some(vec![Window { limit, slices: Vec::new() }]));
    let hold = world.hold(40, Some(10 * MINUTE));
    assert_eq!(world.order(11, None).unwrap_err(), Decline::LimitExceeded);
    world.post(hold, Some(10), true).unwrap();
    // Ten of it count for ever, the rest no more; and a post does not count again.
    let lapsing = world.hold(40, Some(MINUTE));
    assert_eq!(world.order(1, None).unwrap_err(), Decline::LimitExceeded);
    world.now = MINUTE;
    let spent = world.order(40, None).unwrap();
    assert_eq!(world.state.holds.row(&lapsing.into()).unwrap().state, HoldState::Expired);
    assert_eq!(world.order(1, None).unwrap_err(), Decline::LimitExceeded, "two debits");
    // A refund is no debit, and gives nothing back.
    world.reverse(spent.record.id.as_uuid(), None).unwrap();
    assert_eq!(world.order(1, None).unwrap_err(), Decline::LimitExceeded);
    assert!(spent.not_after().is_some_and(|end| end > world.now && end <= world.now + MINUTE));
}
