//! Orders with two faults at once: a table of faults, each of which spoils a good order in its own way.

use serde_json::{Value, json};

/// An account as a fault wants it; the scene has one of each that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Traits {
    /// Whose.
    pub owner: Owner,
    /// Whether it is open, frozen or closed.
    pub status: Status,
    /// What is in it.
    pub money: Money,
    /// Whether it may not have more than it has.
    pub capped: bool,
    /// Whether next to nothing may leave it in a while.
    pub limited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The caller's.
    Caller,
    /// Somebody else's: to the caller there is no such account to debit.
    Stranger,
    /// The bank's, and the caller is a treasurer.
    Bank,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Open,
    Frozen,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Money {
    /// Enough.
    Some,
    /// None.
    Nothing,
    /// 2^53 - 1: nothing can be added.
    Everything,
    /// As much is owed: nothing can be taken.
    Debt,
}

/// A reference that every owner has used up.
pub const REFERENCE: &str = "used-up";

/// Which key comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Fresh,
    None,
    Anothers,
}

/// An order that is good until faults are put into it.
#[derive(Debug, Clone)]
pub struct Wish {
    pub debit: Traits,
    /// `None`: there is no such account.
    pub credit: Option<Traits>,
    /// The account that pays is paid.
    pub same: bool,
    pub amount: i64,
    pub currency: &'static str,
    pub version: Option<i64>,
    pub key: Key,
    repeats_a_reference: bool,
    amount_is_text: bool,
    unknown_member: bool,
}

/// What can be wrong, in the order in which it is looked for. Each spoils an order, or says why it cannot.
pub struct Fault {
    pub status: u16,
    pub code: &'static str,
    spoil: fn(&mut Wish) -> Result<(), &'static str>,
}

/// The contract's order of checks.
static FAULTS: [Fault; 18] = [
    fault(400, "malformed_body", |wish| {
        wish.amount_is_text = true;
        Ok(())
    }),
    fault(422, "validation_failed", |wish| {
        wish.unknown_member = true;
        if wish.amount_is_text {
            Err("both are the body's shape: the first that stands in it is the answer")
        } else {
            Ok(())
        }
    }),
    fault(400, "idempotency_key_required", |wish| wish.with_key(Key::None)),
    fault(422, "idempotency_key_reused", |wish| wish.with_key(Key::Anothers)),
    fault(422, "amount_out_of_range", |wish| {
        wish.amount = 1 << 53;
        Ok(())
    }),
    fault(422, "accounts_must_be_different", |wish| {
        wish.same = true;
        Ok(())
    }),
    fault(404, "debit_account_not_found", |wish| {
        wish.debit.owner = Owner::Stranger;
        Ok(())
    }),
    fault(422, "credit_account_not_found", |wish| {
        wish.credit = None;
        Ok(())
    }),
    fault(422, "currency_mismatch", |wish| {
        wish.currency = "EUR";
        Ok(())
    }),
    fault(409, "debit_account_closed", |wish| {
        (wish.debit.status, wish.debit.money) = (Status::Closed, Money::Nothing);
        Ok(())
    }),
    fault(409, "credit_account_closed", |wish| {
        let credit = wish.credit.as_mut().ok_or("what is not there is not closed")?;
        (credit.status, credit.money) = (Status::Closed, Money::Nothing);
        Ok(())
    }),
    fault(409, "debit_account_frozen", |wish| {
        if wish.debit.status == Status::Closed {
            return Err("an account is closed or frozen");
        }
        wish.debit.status = Status::Frozen;
        Ok(())
    }),
    fault(409, "external_ref_taken", |wish| {
        wish.repeats_a_reference = true;
        Ok(())
    }),
    fault(422, "precondition_failed", |wish| {
        wish.version = Some(0);
        Ok(())
    }),
    // Of what may leave in a while, and then of what may be there.
    fault(422, "limit_exceeded", |wish| {
        wish.debit.limited = true;
        Ok(())
    }),
    fault(422, "limit_exceeded", |wish| {
        wish.credit.as_mut().ok_or("what is not there has no ceiling")?.capped = true;
        Ok(())
    }),
    fault(422, "balance_overflow", |wish| {
        match &mut wish.credit {
            Some(credit) if credit.status == Status::Open => credit.money = Money::Everything,
            // A closed account is empty, and what is not there is nothing: then too much is taken.
            Some(_) | None => (wish.debit.owner, wish.debit.money) = (Owner::Bank, Money::Debt),
        }
        Ok(())
    }),
    fault(422, "insufficient_funds", |wish| {
        wish.debit.money = Money::Nothing;
        Ok(())
    }),
];

const fn fault(status: u16, code: &'static str, spoil: fn(&mut Wish) -> Result<(), &'static str>) -> Fault {
    Fault { status, code, spoil }
}

/// Pairs that no order can have, as the table has it.
pub const IMPOSSIBLE: [(&str, &str); 5] = [
    ("malformed_body", "validation_failed"),
    ("idempotency_key_required", "idempotency_key_reused"),
    ("credit_account_not_found", "credit_account_closed"),
    ("credit_account_not_found", "limit_exceeded"),
    ("debit_account_closed", "debit_account_frozen"),
];

/// Two faults, the earlier one first, and the order that has both.
pub type Pair = (&'static Fault, &'static Fault, Wish);

/// Every pair of faults; and the codes of those that cannot be.
pub fn pairs() -> (Vec<Pair>, Vec<(&'static str, &'static str)>) {
    let (mut pairs, mut impossible) = (Vec::new(), Vec::new());
    for (at, first) in FAULTS.iter().enumerate() {
        for second in &FAULTS[at + 1..] {
            let mut wish = Wish::good();
            match (first.spoil)(&mut wish).and_then(|()| (second.spoil)(&mut wish)) {
                Ok(()) => pairs.push((first, second, wish)),
                Err(_reason) => impossible.push((first.code, second.code)),
            }
        }
    }
    (pairs, impossible)
}

impl Wish {
    /// One without any fault.
    pub fn good() -> Self {
        let open =
            Traits { owner: Owner::Caller, status: Status::Open, money: Money::Some, capped: false, limited: false };
        Self {
            debit: open,
            credit: Some(Traits { owner: Owner::Stranger, ..open }),
            same: false,
            amount: 5,
            currency: "USD",
            version: None,
            key: Key::Fresh,
            repeats_a_reference: false,
            amount_is_text: false,
            unknown_member: false,
        }
    }

    fn with_key(&mut self, key: Key) -> Result<(), &'static str> {
        if self.key != Key::Fresh {
            return Err("a request has one key or none");
        }
        self.key = key;
        Ok(())
    }

    /// The account that pays: one that is also paid has what is wrong with either.
    pub fn payer(&self) -> Traits {
        match self.credit {
            Some(credit) if self.same => Traits {
                owner: self.debit.owner,
                status: self.debit.status.max(credit.status),
                money: if credit.status == Status::Closed {
                    Money::Nothing
                } else {
                    self.debit.money.max(credit.money)
                },
                capped: credit.capped,
                limited: self.debit.limited,
            },
            Some(_) | None => self.debit,
        }
    }

    /// The body, between these two accounts.
    pub fn body(&self, debit: &str, credit: &str) -> Value {
        let credit = if self.same { debit } else { credit };
        let mut body = json!({"debit_account_id": debit, "credit_account_id": credit, "amount": self.amount, "currency": self.currency});
        if self.amount_is_text {
            body["amount"] = json!(self.amount.to_string());
        }
        if self.unknown_member {
            body["unknown"] = json!(true);
        }
        if self.repeats_a_reference {
            body["external_ref"] = json!(REFERENCE);
        }
        if let Some(version) = self.version {
            body["preconditions"] = json!({"debit_version": version});
        }
        body
    }
}
