//! The model's rules of exchanges.

use tests::ledger::command::{Caller, Command, Exchange, NewRate, Order, Role};
use tests::ledger::history::Worth;
use tests::ledger::model::{Account, Decimal, MOST, Rate, Reading, Status, UNIT};
use tests::ledger::{Ledger, Verdict};

use super::{NOW, ann, bob, ledger, make, request, say, treasurer};

/// Ann has 100 dollars' cents and accounts in three other currencies; the bank has tills for them.
fn market() -> Ledger {
    let mut it = ledger();
    for currency in ["EUR", "JPY", "KWD"] {
        it.open(&format!("ann-{currency}"), Account::of("ann", currency));
    }
    for currency in ["USD", "EUR", "JPY", "KWD"] {
        it.open(&format!("till-{currency}"), Account::system("tess", currency));
        it.open(&format!("rounding-{currency}"), Account::system("tess", currency));
    }
    it
}

fn new(base: &str, quote: &str, rate: &str) -> NewRate {
    NewRate {
        base: base.to_owned(),
        quote: quote.to_owned(),
        rate: rate.to_owned(),
        base_account: format!("till-{base}"),
        quote_account: format!("till-{quote}"),
        rounding_account: format!("rounding-{quote}"),
        valid_until: None,
    }
}

fn set(it: &mut Ledger, new: &NewRate) {
    assert_eq!(say(it, &treasurer(), Command::SetRate(new.clone()), NOW), "done");
    it.set_rate(Rate {
        id: new.rate.clone(),
        pair: (new.base.clone(), new.quote.clone()),
        value: Decimal::parse(&new.rate).expect("a rate"),
        base: new.base_account.clone(),
        quote: new.quote_account.clone(),
        rounding: new.rounding_account.clone(),
        valid_until: new.valid_until,
    });
}

fn exchange(it: &mut Ledger, who: &Caller, wish: Exchange) -> String {
    match it.judge(&request(who, Command::Exchange(wish)), NOW).swap_remove(0) {
        Verdict::Exchanged(Worth { received, remainder, .. }) => format!("{received} and {remainder}"),
        Verdict::Refused(code) => code,
        other => format!("{other:?}"),
    }
}

/// Makes it, and says what arrived, what was booked of what rounding took, and what is kept.
fn made(it: &mut Ledger, wish: &Exchange) -> (i64, i64, i128) {
    let deal = it.deal(&ann(), wish, NOW, &Reading::default()).expect("it is allowed");
    for (number, leg) in deal.legs.iter().enumerate() {
        let id = format!("{}-{number}", it.transfers().len());
        it.enter(it.made(leg, id, NOW));
    }
    it.set_carry(&deal.rounding, deal.carry);
    (deal.worth.received, deal.legs.get(2).map_or(0, |leg| leg.amount), deal.carry)
}

#[test]
fn what_an_amount_is_worth_is_rounded_down_and_the_rest_is_told() {
    for ((base, quote, rate), amount, worth) in [
        (("USD", "EUR", "0.9235"), 100, "92 and 0.35"),
        (("USD", "EUR", "1"), 100, "100 and 0"),
        (("USD", "EUR", "0.999999999999"), 1, "exchange_amount_unpayable"),
        (("USD", "EUR", "0.999999999999"), 2, "1 and 0.999999999998"),
        (("USD", "JPY", "151.27"), 100, "151 and 0.27"),
        (("USD", "JPY", "0.000000000001"), 100, "exchange_amount_unpayable"),
        (("USD", "KWD", "0.333333333333"), 3, "9 and 0.99999999999"),
        (("USD", "EUR", "999999999999"), 100, "99999999999900 and 0"),
    ] {
        let mut it = market();
        set(&mut it, &new(base, quote, rate));
        let wish = Exchange::of("a", &format!("ann-{quote}"), amount);
        assert_eq!(exchange(&mut it, &ann(), wish), worth, "{amount} {base} at {rate} {quote}");
    }
    let mut it = market();
    it.open("rich", Account { balance: MOST, ..Account::of("ann", "KWD") });
    set(&mut it, &new("KWD", "JPY", "0.000000000001"));
    let most = i64::try_from(MOST).expect("2^53 - 1");
    assert_eq!(exchange(&mut it, &ann(), Exchange::of("rich", "ann-JPY", most)), "9 and 0.007199254740991");
    set(&mut it, &new("KWD", "JPY", "999999999999"));
    assert_eq!(exchange(&mut it, &ann(), Exchange::of("rich", "ann-JPY", most)), "exchange_amount_unpayable");
}

#[test]
fn what_rounding_takes_gathers_until_it_is_a_unit() {
    let mut it = market();
    set(&mut it, &new("USD", "EUR", "0.9"));
    let wish = Exchange::of("a", "ann-EUR", 4);
    assert_eq!(made(&mut it, &wish), (3, 0, UNIT / 10 * 6));
    assert_eq!(made(&mut it, &wish), (3, 1, UNIT / 10 * 2));
    // Another rate goes on with what is there; another account of the same begins anew.
    set(&mut it, &new("USD", "EUR", "0.7"));
    assert_eq!(made(&mut it, &wish), (2, 1, 0));
    it.open("another", Account::system("tess", "EUR"));
    set(&mut it, &NewRate { rounding_account: "another".to_owned(), ..new("USD", "EUR", "0.7") });
    assert_eq!(made(&mut it, &wish), (2, 0, UNIT / 10 * 8));
    let of = |id: &str| it.account(id).expect("there").balance;
    assert_eq!([of("a"), of("till-USD"), of("ann-EUR"), of("till-EUR"), of("rounding-EUR")], [84, 16, 10, -12, 2]);
}

#[test]
fn an_exchange_is_refused_in_its_order() {
    let mut it = market();
    let wish = Exchange::of("a", "ann-EUR", 10);
    assert_eq!(exchange(&mut it, &ann(), wish.clone()), "no_exchange_rate");
    set(&mut it, &new("USD", "EUR", "0.9"));
    let with = |rate: &str| Exchange { rate: Some(rate.to_owned()), ..wish.clone() };
    let from = |debit: &str, amount| Exchange { debit: debit.to_owned(), amount, ..with("7") };
    let to = |credit: &str, amount| Exchange { credit: credit.to_owned(), amount, ..wish.clone() };
    for (wish, code) in [
        (with("0.90"), "9 and 0"),
        (from("a", 0), "amount_out_of_range"),
        (from("ann-EUR", 10), "accounts_must_be_different"),
        (from("till-USD", 10), "debit_account_not_found"),
        (to("nobodys", 10), "credit_account_not_found"),
        (to("b", 10), "currencies_must_be_different"),
        (to("ann-JPY", 10), "no_exchange_rate"),
        (from("a", 1), "exchange_rate_changed"),
        (to("till-EUR", 1), "exchange_amount_unpayable"),
        (to("till-EUR", 1_000), "exchange_with_rate_account"),
        (to("ann-EUR", 101), "insufficient_funds"),
        (with("1e3"), "validation_failed"),
    ] {
        assert_eq!(exchange(&mut it, &ann(), wish.clone()), code, "{wish:?}");
    }
    let bank = Exchange::of("till-USD", "ann-EUR", 10);
    assert_eq!(exchange(&mut it, &treasurer(), bank), "exchange_with_rate_account");
    // What is paid comes before what is paid out.
    it.change("till-EUR", |account| account.status = Status::Frozen);
    assert_eq!(exchange(&mut it, &ann(), to("ann-EUR", 101)), "insufficient_funds");
    assert_eq!(exchange(&mut it, &ann(), to("ann-EUR", 100)), "debit_account_frozen");
    it.change("ann-EUR", |account| account.status = Status::Closed);
    assert_eq!(exchange(&mut it, &ann(), to("ann-EUR", 100)), "credit_account_closed");
    assert_eq!(it.account("a").expect("there").balance, 100, "nothing was done");
}

#[test]
fn the_newest_rate_counts_until_it_lapses_and_no_older_one_after_it() {
    let mut it = market();
    let wish = Exchange::of("a", "ann-EUR", 10);
    set(&mut it, &new("USD", "EUR", "2"));
    set(&mut it, &NewRate { valid_until: Some(NOW + 1), ..new("USD", "EUR", "3") });
    assert_eq!(exchange(&mut it, &ann(), wish.clone()), "30 and 0");
    let later = it.judge(&request(&ann(), Command::Exchange(wish)), NOW + 1);
    assert_eq!(later, [Verdict::Refused("no_exchange_rate".to_owned())]);
}

#[test]
fn rates_are_a_treasurers_on_the_banks_open_accounts() {
    let mut it = market();
    let sound = new("USD", "EUR", "0.9");
    let admin = Caller { user: "adam".to_owned(), role: Role::Admin };
    for who in [ann(), bob(), admin] {
        assert_eq!(say(&mut it, &who, Command::SetRate(sound.clone()), NOW), "forbidden");
    }
    for wrong in [
        NewRate { rate: "0".to_owned(), ..sound.clone() },
        NewRate { quote: "USD".to_owned(), ..sound.clone() },
        NewRate { valid_until: Some(NOW), ..sound.clone() },
        NewRate { rounding_account: "till-EUR".to_owned(), ..sound.clone() },
        NewRate { rounding_account: "rounding-USD".to_owned(), ..sound.clone() },
        NewRate { quote_account: "ann-EUR".to_owned(), ..sound.clone() },
        NewRate { base_account: "nobodys".to_owned(), ..sound.clone() },
    ] {
        assert_eq!(say(&mut it, &treasurer(), Command::SetRate(wrong.clone()), NOW), "validation_failed", "{wrong:?}");
    }
    it.change("rounding-EUR", |account| account.status = Status::Frozen);
    assert_eq!(say(&mut it, &treasurer(), Command::SetRate(sound), NOW), "validation_failed");
}

#[test]
fn a_rate_has_one_spelling_before_its_point() {
    for (text, shown) in
        [("0.50", "0.5"), ("7", "7"), ("7.0", "7"), ("999999999999.999999999999", "999999999999.999999999999")]
    {
        assert_eq!(Decimal::parse(text).map(|rate| rate.to_string()).as_deref(), Some(shown));
    }
    let none = [
        "",
        ".",
        "0",
        "0.0",
        "00.5",
        "01",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "1 ",
        "1.2.3",
        "0.1234567890123",
        "1234567890123",
    ];
    assert!(none.iter().all(|text| Decimal::parse(text).is_none()));
}

#[test]
fn what_is_paid_for_an_exchange_is_a_transfer_like_any() {
    let mut it = market();
    set(&mut it, &new("USD", "EUR", "0.9"));
    make(&mut it, &ann(), Order { pending: true, ..Order::usd("a", "b", 60) }, "h", NOW);
    assert_eq!(exchange(&mut it, &ann(), Exchange::of("a", "ann-EUR", 41)), "insufficient_funds");
    assert_eq!(exchange(&mut it, &ann(), Exchange::of("a", "ann-EUR", 40)), "36 and 0");
    it.change("ann-EUR", |account| account.ceiling = Some(35));
    assert_eq!(exchange(&mut it, &ann(), Exchange::of("a", "ann-EUR", 40)), "limit_exceeded");
}
