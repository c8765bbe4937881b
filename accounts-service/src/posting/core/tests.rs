//! `decide` against an independent model that knows the contract's order of checks as a list, not as code.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::domain::{Amount, Currency, MAX_AMOUNT};
use uuid::Uuid;

use super::*;

fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

fn account(n: u8) -> Account {
    Account {
        id: id(n).into(),
        owner: id(100).into(),
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

fn order(amount: i64) -> Order {
    let amount = Amount::try_from(amount).unwrap();
    Order::new((id(1).into(), id(2).into()), amount, "USD".parse().unwrap(), id(100).into()).unwrap()
}

fn draft(order: &Order) -> Draft {
    Draft { id: id(200).into(), command: Command::Transfer(order.clone()), memo: Memo::default() }
}

/// The same, with a reference.
fn referring(order: &Order) -> Draft {
    Draft { memo: Memo { external_ref: Some("invoice".into()), ..Memo::default() }, ..draft(order) }
}

fn reference() -> Reference {
    Reference { owner: id(100).into(), text: "invoice".into() }
}

/// Decides and applies.
fn run(state: &mut State, order: &Order) -> Result<Posting, Stop> {
    run_draft(state, &draft(order))
}

fn run_draft(state: &mut State, draft: &Draft) -> Result<Posting, Stop> {
    let effect = decide(state, draft, 0)?;
    apply(state, &effect);
    Ok(effect.posting().unwrap())
}

/// Accounts, and the absence of all others that the tests name.
fn knowing(accounts: &[Account]) -> State {
    let mut state = State::default();
    (0..=100).for_each(|n| state.accounts.learn(id(n).into(), None));
    accounts.iter().for_each(|account| state.accounts.learn(account.id, Some(*account)));
    state.references.learn(reference(), None);
    state.references.learn(Reference { owner: id(101).into(), ..reference() }, None);
    state
}

/// A fault and how to bring it about.
type Fault = (Decline, fn(&mut Account, &mut Account, &mut Order, &mut State));

/// In the contract's order.
const FAULTS: [Fault; 11] = [
    (Decline::DebitAccountNotFound, |debit, _, _, _| debit.owner = id(101).into()),
    (Decline::CreditAccountNotFound, |_, credit, _, _| credit.id = id(99).into()),
    (Decline::CurrencyMismatch, |_, _, order, _| order.currency = "EUR".parse().unwrap()),
    (Decline::DebitAccountClosed, |debit, _, _, _| debit.status = Status::Closed),
    (Decline::CreditAccountClosed, |_, credit, _, _| credit.status = Status::Closed),
    (Decline::DebitAccountFrozen, |debit, _, _, _| debit.status = Status::Frozen),
    (Decline::ExternalRefTaken, |_, _, _, state| state.references.learn(reference(), Some(id(201).into()))),
    (Decline::PreconditionFailed, |_, _, order, _| order.preconditions.debit_version = Some(1)),
    (Decline::LimitExceeded, |_, credit, _, _| credit.ceiling = Some(0)),
    (Decline::BalanceOverflow, |_, credit, _, _| credit.balance = MAX_AMOUNT),
    (Decline::InsufficientFunds, |debit, _, _, _| debit.held = 95),
];

#[test]
fn of_two_faults_the_earlier_is_the_answer() {
    for (first, (earlier, bring_first)) in FAULTS.iter().enumerate() {
        for (later, bring_second) in &FAULTS[first..] {
            // A debit account is not closed and frozen at once.
            if (*earlier, *later) == (Decline::DebitAccountClosed, Decline::DebitAccountFrozen) {
                continue;
            }
            let (mut debit, mut credit, mut order) = (account(1), account(2), order(10));
            let mut state = knowing(&[]);
            bring_second(&mut debit, &mut credit, &mut order, &mut state);
            bring_first(&mut debit, &mut credit, &mut order, &mut state);
            [debit, credit].into_iter().for_each(|account| state.accounts.learn(account.id, Some(account)));
            assert_eq!(
                run_draft(&mut state, &referring(&order)),
                Err((*earlier).into()),
                "{earlier:?} hides {later:?}"
            );
            assert_eq!(state.account(debit.id), Ok(Some(&debit)), "a decline changes nothing");
        }
    }
}

#[test]
fn the_table_of_checks_is_the_order_of_the_code() {
    let judged = FAULTS.map(|(decline, _)| decline.code());
    assert_eq!(&checks::TRANSFER[checks::TRANSFER.len() - judged.len()..], judged);
    assert!(FAULTS.is_sorted_by_key(|(decline, _)| *decline));
}

#[test]
fn what_is_held_is_an_exact_integer_too() {
    let mut state = knowing(&[account(2)]);
    let house = Account { floor: None, balance: MAX_AMOUNT, held: MAX_AMOUNT - 5, ..account(1) };
    state.accounts.learn(house.id, Some(house));
    let hold = |amount| {
        let pending = Some(Pending { expires_in: None });
        let mut order = order(amount);
        order.pending = pending;
        draft(&order)
    };
    assert_eq!(decide(&state, &hold(6), 0).unwrap_err(), Stop::Declined(Decline::BalanceOverflow));
    assert!(decide(&state, &hold(5), 0).is_ok());
}

#[test]
fn what_nobody_looked_up_is_not_declined() {
    let mut state = State::default();
    assert_eq!(run(&mut state, &order(1)), Err(Need::Account(id(1).into()).into()));
    state.accounts.learn(id(1).into(), Some(account(1)));
    assert_eq!(run(&mut state, &order(1)), Err(Need::Account(id(2).into()).into()));
    state.accounts.learn(id(2).into(), None);
    assert_eq!(run(&mut state, &order(1)), Err(Decline::CreditAccountNotFound.into()));
    state.accounts.learn(id(2).into(), Some(account(2)));
    assert_eq!(run_draft(&mut state, &referring(&order(1))), Err(Need::Reference(reference()).into()));
    state.accounts.learn(id(2).into(), None);
    state.settle();
    assert_eq!(run(&mut state, &order(1)), Err(Need::Account(id(2).into()).into()), "absent was for one batch");
}

#[test]
fn what_is_undone_was_never_decided() {
    let mut state = knowing(&[account(1), account(2)]);
    let mark = state.mark();
    run(&mut state, &order(1)).unwrap();
    run(&mut state, &order(2)).unwrap();
    assert_eq!(state.accounts.changed().len(), 2);
    state.undo_to(mark);
    assert_eq!(state.account(id(1).into()), Ok(Some(&account(1))));
    assert!(state.accounts.changed().is_empty());
}

#[test]
fn a_strangers_balance_is_not_asked_about() {
    let stranger = Account { owner: id(101).into(), ..account(2) };
    let run = |credit: Account, by: fn(&mut Order)| {
        let mut order = order(10);
        by(&mut order);
        run(&mut knowing(&[account(1), credit]), &order).map(|_| ())
    };
    // It will be 110.
    let right = |order: &mut Order| order.preconditions.credit_balance.gte = Some(110);
    let wrong = |order: &mut Order| order.preconditions.credit_balance.lte = Some(109);
    let failed = Err(Decline::PreconditionFailed.into());
    assert_eq!([run(account(2), right), run(account(2), wrong)], [Ok(()), failed.clone()]);
    assert_eq!([run(stranger, right), run(stranger, wrong)], [failed.clone(), failed.clone()]);
    assert_eq!(run(stranger, |_| {}), Ok(()));
    let reading = |order: &mut Order| (order.reads_all, order.preconditions.credit_balance.gte) = (true, Some(110));
    assert_eq!(run(stranger, reading), Ok(()));
    let misreading = |order: &mut Order| (order.reads_all, order.preconditions.credit_balance.gte) = (true, Some(111));
    assert_eq!(run(stranger, misreading), failed);
}

#[test]
fn treasurers_debit_system_accounts_and_no_others() {
    let (mut bank, credit) = (account(1), account(2));
    bank.owner = id(101).into();
    let mut by_treasurer = order(1);
    by_treasurer.treasurer = true;
    for (kind, allowed) in [(Kind::System, true), (Kind::User, false)] {
        bank.kind = kind;
        let mut state = knowing(&[bank, credit]);
        assert!(run(&mut state, &order(1)).is_err());
        assert_eq!(run(&mut state, &by_treasurer).is_ok(), allowed, "{kind:?}");
    }
}

#[test]
fn a_demoted_treasurer_makes_no_more_money() {
    let mut bank = account(1);
    bank.kind = Kind::System;
    assert_eq!(run(&mut knowing(&[bank, account(2)]), &order(1)), Err(Decline::DebitAccountNotFound.into()));
    bank.kind = Kind::User;
    assert!(run(&mut knowing(&[bank, account(2)]), &order(1)).is_ok());
}

/// The model: a map of balances and counters, and rules in the order of the contract's sentence.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<u8, Row>);

#[derive(Clone, Debug)]
struct Row {
    owner: u8,
    system: bool,
    currency: &'static str,
    status: u8,
    balance: i128,
    floor: Option<i128>,
    entries: i64,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    caller: u8,
    treasurer: bool,
    debit: u8,
    credit: u8,
    amount: i64,
    currency: &'static str,
}

impl Model {
    fn judge(&mut self, wish: Wish) -> Result<(), Decline> {
        let own = |row: &&Row| if row.system { wish.treasurer } else { row.owner == wish.caller };
        let debit = self.0.get(&wish.debit).filter(own).cloned().ok_or(Decline::DebitAccountNotFound)?;
        let credit = self.0.get(&wish.credit).cloned().ok_or(Decline::CreditAccountNotFound)?;
        let (paid, received) = (debit.balance - i128::from(wish.amount), credit.balance + i128::from(wish.amount));
        let largest = i128::from(MAX_AMOUNT);
        let rules = [
            (debit.currency == wish.currency && credit.currency == wish.currency, Decline::CurrencyMismatch),
            (debit.status != 2, Decline::DebitAccountClosed),
            (credit.status != 2, Decline::CreditAccountClosed),
            (debit.status != 1, Decline::DebitAccountFrozen),
            (paid >= -largest && received <= largest, Decline::BalanceOverflow),
            (debit.floor.is_none_or(|floor| paid >= floor), Decline::InsufficientFunds),
        ];
        if let Some((_, decline)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(decline);
        }
        for (side, balance) in [(wish.debit, paid), (wish.credit, received)] {
            let row = self.0.get_mut(&side).unwrap();
            row.balance = balance;
            row.entries += 1;
        }
        Ok(())
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let balance = prop_oneof![5 => -50_i64..200, 1 => Just(MAX_AMOUNT - 5), 1 => Just(5 - MAX_AMOUNT)];
    let row = (0_u8..3, any::<bool>(), prop_oneof![4 => Just("USD"), 1 => Just("EUR")], 0_u8..8, balance);
    let row = row.prop_map(|(owner, system, currency, status, balance)| Row {
        owner,
        system,
        currency,
        status: if status > 2 { 0 } else { status },
        balance: i128::from(if system { balance } else { balance.abs() }),
        floor: (!system).then_some(0),
        entries: 0,
    });
    proptest::collection::vec(row, 5)
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let amount = prop_oneof![6 => 1_i64..60, 1 => Just(MAX_AMOUNT)];
    let currency = prop_oneof![6 => Just("USD"), 1 => Just("EUR")];
    let wish = (0_u8..3, any::<bool>(), 0_u8..6, 1_u8..6, amount, currency).prop_map(
        |(caller, treasurer, debit, step, amount, currency)| Wish {
            caller,
            treasurer,
            debit,
            credit: (debit + step) % 6,
            amount,
            currency,
        },
    );
    proptest::collection::vec(wish, 1..60)
}

fn state_of(model: &Model) -> State {
    let status = [Status::Open, Status::Frozen, Status::Closed];
    let mut state = knowing(&[]);
    for (n, row) in &model.0 {
        let account = Account {
            owner: id(100 + row.owner).into(),
            kind: if row.system { Kind::System } else { Kind::User },
            currency: row.currency.parse().unwrap(),
            status: status[usize::from(row.status)],
            balance: i64::try_from(row.balance).unwrap(),
            floor: row.floor.map(|floor| i64::try_from(floor).unwrap()),
            seq: 0,
            version: 1,
            ..account(*n)
        };
        state.accounts.learn(account.id, Some(account));
    }
    state
}

fn order_of(wish: Wish) -> Order {
    let currency: Currency = wish.currency.parse().unwrap();
    let amount = Amount::try_from(wish.amount).unwrap();
    let sides = (id(wish.debit).into(), id(wish.credit).into());
    let mut order = Order::new(sides, amount, currency, id(100 + wish.caller).into()).unwrap();
    order.treasurer = wish.treasurer;
    order
}

proptest! {
    #[test]
    fn it_agrees_with_the_model(rows in rows(), wishes in wishes()) {
        let mut model = Model((0..).zip(rows).collect());
        let mut state = state_of(&model);
        let total: i128 = model.0.values().map(|row| row.balance).sum();
        for wish in wishes {
            let (judged, applied) = (model.judge(wish), run(&mut state, &order_of(wish)));
            prop_assert_eq!(applied.clone().map(drop), judged.map_err(Stop::from), "{:?}", wish);
            if let Ok(posting) = applied {
                prop_assert_eq!(posting.debit.seq, model.0[&wish.debit].entries);
                prop_assert_eq!(posting.credit.seq, model.0[&wish.credit].entries);
            }
        }
        for (n, row) in &model.0 {
            let account = state.account(id(*n).into()).unwrap().unwrap();
            prop_assert_eq!(i128::from(account.balance), row.balance);
            prop_assert_eq!((account.seq, account.version), (row.entries, row.entries + 1));
        }
        prop_assert_eq!(model.0.values().map(|row| row.balance).sum::<i128>(), total);
    }
}
