//! Who and what the mirror begins with.

use tests::ledger::command::{Caller, Order, Role};
use tests::ledger::generator::{Market, Place, Stage, Till};
use tests::ledger::model::{Account, MOST, Status};
use tests::ledger::record::Stored;

use super::{BEGAN, Mirror, alone};

/// Three customers with three accounts each, and everything else that commands may meet.
pub fn stage() -> Stage {
    let someone = |user: &str, role| Caller { user: user.to_owned(), role };
    let customers: Vec<_> = ["ann", "bob", "cid"].map(|name| someone(name, Role::Customer)).into();
    let of = |at: usize, id: &str| Place { id: id.to_owned(), owner: customers[at].clone() };
    let places = (0..9).map(|number| of(number % 3, &format!("usd-{number}"))).collect();
    Stage {
        treasurer: someone("tess", Role::Treasurer),
        admin: someone("adam", Role::Admin),
        places,
        vault: "vault".to_owned(),
        euros: of(0, "euros"),
        closed: of(0, "closed"),
        changing: of(0, "changing"),
        full: of(1, "full"),
        capped: of(1, "capped"),
        closing: (0..6).map(|number| of(number % 3, &format!("empty-{number}"))).collect(),
        market: market(&customers),
        nobodys: "nobodys".to_owned(),
        customers,
    }
}

fn market(customers: &[Caller]) -> Market {
    let till = |currency: &str| Till {
        currency: currency.to_owned(),
        drawer: format!("drawer-{currency}"),
        rounding: ["one", "other"].map(|which| format!("rounding-{currency}-{which}")),
    };
    let foreign = |currency: &'static str| {
        let place = move |owner: &Caller| Place { id: format!("{currency}-{}", owner.user), owner: owner.clone() };
        customers.iter().map(move |owner| (place(owner), currency.to_owned()))
    };
    let foreign = ["EUR", "JPY", "KWD"].into_iter().flat_map(foreign).collect();
    Market { foreign, tills: ["USD", "EUR", "JPY", "KWD"].map(till).into(), opened: BEGAN }
}

pub(super) fn accounts(stage: &Stage) -> Vec<(String, Account)> {
    let of = |place: &Place, currency: &str| (place.id.clone(), Account::of(&place.owner.user, currency));
    let mut accounts: Vec<_> = stage.places.iter().chain(&stage.closing).map(|place| of(place, "USD")).collect();
    accounts.extend(stage.market.foreign.iter().map(|(place, currency)| of(place, currency)));
    for Till { currency, drawer, rounding } in &stage.market.tills {
        let bank = || Account::system(&stage.treasurer.user, currency);
        accounts.extend([drawer, &rounding[0], &rounding[1]].map(|id| (id.clone(), bank())));
    }
    accounts.push((stage.vault.clone(), Account::system(&stage.treasurer.user, "USD")));
    accounts.push(of(&stage.euros, "EUR"));
    accounts.extend([&stage.closed, &stage.changing, &stage.full, &stage.capped].map(|place| of(place, "USD")));
    for (id, account) in &mut accounts {
        if *id == stage.closed.id {
            account.status = Status::Closed;
        }
        if *id == stage.capped.id {
            account.ceiling = Some(0);
        }
    }
    accounts
}

/// Money for everybody, by requests that are part of the history.
pub fn fund(mirror: &mut Mirror, stage: &Stage) {
    let rich = stage.places.iter().chain([&stage.changing]).map(|place| (place.id.as_str(), 600));
    for (place, currency) in &stage.market.foreign {
        let till = stage.market.tills.iter().find(|till| till.currency == *currency).expect("one of each");
        let order = Order::usd(&till.drawer, &place.id, 600).tagged(format!("fund {}", place.id));
        let order = Order { currency: currency.clone(), ..order };
        mirror.ask(&alone(&stage.treasurer, &format!("fund {}", place.id), order));
    }
    let full = [(stage.full.id.as_str(), i64::try_from(MOST).expect("2^53 - 1"))];
    for (id, amount) in rich.chain(full) {
        // Each from a bank account of its own, for 2^53 - 1 is also the most that one may owe.
        let order = Order::usd(&stage.vault, id, amount).tagged(format!("fund {id}"));
        let order = if id == stage.full.id { Order { debit: "depth".to_owned(), ..order } } else { order };
        mirror.ledger_of("depth", &stage.treasurer);
        mirror.ask(&alone(&stage.treasurer, &format!("fund {id}"), order));
    }
}

impl Mirror {
    /// Opens a bank account that nobody has opened yet.
    fn ledger_of(&mut self, id: &str, who: &Caller) {
        if self.ledger.account(id).is_none() {
            let account = Account::system(&who.user, "USD");
            self.ledger.open(id, account.clone());
            self.opening.accounts.insert(id.to_owned(), Stored { account, held: 0, next_expiry: Some(BEGAN) });
        }
    }
}
