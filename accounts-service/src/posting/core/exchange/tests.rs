//! What an exchange does, in what order it is refused, and that it is done whole or not at all.

use proptest::prelude::*;
use shared::clock::Clock;
use shared::domain::MAX_AMOUNT;
use shared::problem::Problem;
use uuid::Uuid;

use super::*;
use crate::exchange::rate::GRAINS;
use crate::posting::core::{Account, Kind, Status, checks};

const NOW: i64 = 1_000;

fn id(n: u128) -> AccountId {
    Uuid::from_u128(n).into()
}

fn account(n: u128, kind: Kind, currency: &str, balance: i64) -> Account {
    Account {
        id: id(n),
        owner: Uuid::from_u128(if kind == Kind::User { 9 } else { 8 }).into(),
        kind,
        currency: currency.parse().unwrap(),
        status: Status::Open,
        balance,
        held: 0,
        next_expiry: None,
        limited: false,
        floor: (kind == Kind::User).then_some(0),
        ceiling: None,
        seq: 0,
        version: 1,
    }
}

fn pair() -> Pair {
    ("USD".parse().unwrap(), "EUR".parse().unwrap())
}

/// Somebody with dollars (1) and euros (2), and a house that takes dollars (3), gives euros (4) and keeps the rest (5).
fn world(rate: &str) -> State {
    let mut state = State::default();
    for account in [
        account(1, Kind::User, "USD", 100_000),
        account(2, Kind::User, "EUR", 0),
        account(3, Kind::System, "USD", 0),
        account(4, Kind::System, "EUR", 0),
        account(5, Kind::System, "EUR", 0),
    ] {
        state.accounts.learn(account.id, Some(account));
    }
    let newest = Newest {
        id: Uuid::from_u128(7).into(),
        rate: rate.parse().unwrap(),
        base: id(3),
        quote: id(4),
        rounding: id(5),
        valid_until: None,
    };
    state.rates.learn(pair(), Some(newest));
    state.carries.learn(id(5), Some(Remainder::default()));
    state
}

fn wish(amount: i64) -> Exchange {
    let clock = Clock::system();
    Exchange {
        id: ExchangeId::generate(&clock),
        transfers: [(); 3].map(|()| TransferId::generate(&clock)),
        debit: id(1),
        credit: id(2),
        amount: Amount::try_from(amount).unwrap(),
        by: Uuid::from_u128(9).into(),
        treasurer: false,
        pair: Some(pair()),
        asked: None,
    }
}

fn balances(state: &State) -> [i64; 5] {
    [1, 2, 3, 4, 5].map(|n| state.account(id(n)).unwrap().unwrap().balance)
}

#[test]
fn both_sides_move_and_whole_units_of_what_rounding_took_are_booked() {
    let mut state = world("0.9235");
    let first = exchange(&mut state, &wish(1_001), NOW).unwrap();
    // 924.4235 cents.
    assert_eq!((first.received.0.record.amount.get(), first.remainder.to_string()), (924, "0.4235".to_owned()));
    assert!(first.rounding.is_none());
    assert_eq!(balances(&state), [98_999, 924, 1_001, -924, 0]);
    exchange(&mut state, &wish(1_001), NOW).unwrap();
    let third = exchange(&mut state, &wish(1_001), NOW).unwrap();
    let (booked, _) = third.rounding.unwrap();
    assert_eq!((booked.record.debit, booked.record.credit, booked.record.amount.get()), (id(4), id(5), 1));
    assert_eq!(third.carry.to_string(), "0.2705");
    assert_eq!(balances(&state), [100_000 - 3_003, 3 * 924, 3_003, -3 * 924 - 1, 1]);
    assert_eq!([third.paid.0.record.by, third.received.0.record.by], [wish(1).by; 2]);
}

type Change = fn(&mut State, &mut Exchange);

/// In the order of checks: each hides those after it.
fn faults() -> [(Change, Refusal); 13] {
    [
        (|_, wish| wish.debit = id(3), Refusal::Paid(Decline::DebitAccountNotFound)),
        (|state, _| state.accounts.learn(id(2), None), Refusal::Paid(Decline::CreditAccountNotFound)),
        (|state, _| edit(state, 2, |it| it.currency = "USD".parse().unwrap()), Refusal::OneCurrency),
        (|state, _| state.rates.learn(pair(), None), Refusal::NoRate),
        (|_, wish| wish.asked = Some("2".parse().unwrap()), Refusal::OtherRate("0.5".parse().unwrap())),
        (|_, wish| wish.amount = Amount::try_from(1_i64).unwrap(), Refusal::Unpayable(Unpayable::TooSmall)),
        (|state, _| close(state, 1), Refusal::Paid(Decline::DebitAccountClosed)),
        (|state, _| close(state, 3), Refusal::Paid(Decline::CreditAccountClosed)),
        (|state, _| edit(state, 3, |it| it.ceiling = Some(5)), Refusal::Paid(Decline::LimitExceeded)),
        (|state, _| edit(state, 1, |it| it.balance = 5), Refusal::Paid(Decline::InsufficientFunds)),
        (|state, _| close(state, 4), Refusal::Received(Decline::DebitAccountClosed)),
        (|state, _| edit(state, 2, |it| it.ceiling = Some(5)), Refusal::Received(Decline::LimitExceeded)),
        (|state, _| close(state, 5), Refusal::Rounding(Decline::CreditAccountClosed)),
    ]
}

fn edit(state: &mut State, n: u128, change: impl Fn(&mut Account)) {
    let mut account = *state.account(id(n)).unwrap().unwrap();
    change(&mut account);
    state.accounts.learn(account.id, Some(account));
}

fn close(state: &mut State, n: u128) {
    edit(state, n, |account| account.status = Status::Closed);
}

#[test]
fn of_two_faults_the_first_is_the_answer_and_nothing_is_done() {
    for (first, (change, expected)) in faults().iter().enumerate() {
        for (other, _) in &faults()[first..] {
            let (mut state, mut wish) = (world("0.5"), wish(1_001));
            // Half a cent more makes one.
            state.carries.learn(id(5), Remainder::of(GRAINS / 2));
            other(&mut state, &mut wish);
            change(&mut state, &mut wish);
            let before = format!("{state:?}");
            assert_eq!(exchange(&mut state, &wish, NOW).unwrap_err(), Halt::Refused(*expected));
            assert_eq!(format!("{state:?}"), before, "{expected:?}");
        }
    }
}

#[test]
fn every_refusal_has_its_code_and_the_table_has_them_in_order() {
    let own = faults().map(|(_, refusal)| Problem::from(refusal).code());
    let own = own[..9].iter().map(|code| checks::EXCHANGE.iter().position(|listed| listed == code).unwrap());
    assert!(own.is_sorted(), "what is refused of what is paid, and before");
    let unpayable = Problem::from(Refusal::OwnAccount).code();
    assert!(checks::EXCHANGE.contains(&unpayable));
}

#[test]
fn whose_rate_nobody_could_look_up_is_refused_and_not_looked_for_without_end() {
    let mut state = world("0.5");
    state.rates = super::super::table::Table::default();
    let unseen = Exchange { pair: None, ..wish(1_000) };
    let refused = Halt::Refused(Refusal::Paid(Decline::DebitAccountNotFound));
    assert_eq!(exchange(&mut state, &unseen, NOW).unwrap_err(), refused);
}

#[test]
fn a_rate_that_has_lapsed_is_none_and_an_older_one_is_not_looked_for() {
    let mut state = world("0.5");
    let newest = *state.rate(pair()).unwrap().unwrap();
    state.rates.learn(pair(), Some(Newest { valid_until: Some(NOW + 1), ..newest }));
    assert!(exchange(&mut state, &wish(1_000), NOW).is_ok());
    assert_eq!(exchange(&mut state, &wish(1_000), NOW + 1).unwrap_err(), Halt::Refused(Refusal::NoRate));
    state.rates.learn(pair(), None);
    assert_eq!(exchange(&mut state, &wish(1_000), NOW).unwrap_err(), Halt::Refused(Refusal::NoRate));
    edit(&mut state, 2, |account| account.currency = "USD".parse().unwrap());
    assert_eq!(exchange(&mut state, &wish(1_000), NOW).unwrap_err(), Halt::Refused(Refusal::OneCurrency));
}

#[test]
fn the_rates_own_accounts_are_nobodys_to_exchange_with() {
    for (debit, credit) in [(3, 2), (1, 4)] {
        let (mut state, mut wish) = (world("0.5"), wish(1_000));
        (wish.debit, wish.credit, wish.treasurer) = (id(debit), id(credit), true);
        let refused = exchange(&mut state, &wish, NOW).unwrap_err();
        assert_eq!(refused, Halt::Refused(Refusal::OwnAccount));
        assert_eq!(balances(&state), [100_000, 0, 0, 0, 0]);
    }
}

#[test]
fn what_nobody_has_looked_up_is_missing_and_not_refused() {
    let mut state = world("0.5");
    state.carries.forget(&id(5));
    assert_eq!(exchange(&mut state, &wish(1_000), NOW).unwrap_err(), Halt::Missing(Need::Carry(id(5))));
    state.accounts.forget(&id(4));
    state.carries.learn(id(5), None);
    assert_eq!(exchange(&mut state, &wish(1_000), NOW).unwrap_err(), Halt::Missing(Need::Account(id(4))));
    assert_eq!(balances_known(&state, &[1, 2, 3, 5]), [100_000, 0, 0, 0]);
}

fn balances_known(state: &State, known: &[u128]) -> Vec<i64> {
    known.iter().map(|n| state.account(id(*n)).unwrap().unwrap().balance).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn what_rounding_took_is_what_was_booked_and_what_is_left(
        exchanges in prop::collection::vec((1..=2_000_i64, 1..=3_000_000_i64), 1..40),
    ) {
        let mut state = world("1");
        edit(&mut state, 1, |account| account.balance = MAX_AMOUNT / 2);
        let mut taken = 0_i128;
        for (amount, millionths) in exchanges {
            let rate = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
            let newest = *state.rate(pair()).unwrap().unwrap();
            state.rates.learn(pair(), Some(Newest { rate: rate.parse().unwrap(), ..newest }));
            if let Ok(made) = exchange(&mut state, &wish(amount), NOW) {
                taken += i128::from(made.remainder.grains());
                let exact = i128::from(amount) * i128::from(millionths) * (GRAINS / 1_000_000);
                let got = i128::from(made.received.0.record.amount.get()) * GRAINS;
                prop_assert_eq!(exact, got + i128::from(made.remainder.grains()));
            }
            let booked = i128::from(balances(&state)[4]) * GRAINS;
            let carry = i128::from(state.carry(id(5)).unwrap().unwrap().grains());
            prop_assert_eq!(taken, booked + carry);
            let [a, b, c, d, e] = balances(&state);
            prop_assert_eq!((a + c, b + d + e), (MAX_AMOUNT / 2, 0));
        }
    }
}
