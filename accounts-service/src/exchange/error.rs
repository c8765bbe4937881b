//! What an exchange or a rate is refused for, as a problem.

use shared::problem::{Code, Problem};

use super::rate::Unpayable;
use crate::posting::{Decline, Refusal};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Paid(decline) => decline.into(),
            Refusal::OneCurrency => Self::new(Code::CurrencyMismatch)
                .detail("Both accounts have one currency: that is a transfer, and no exchange."),
            Refusal::OwnAccount => Self::new(Code::AccountsMustBeDifferent)
                .detail("An account of the exchange is the one that the rate itself pays from or to."),
            Refusal::NoRate => Self::new(Code::StateConflict).detail("No rate is in force between these currencies."),
            Refusal::OtherRate(rate) => {
                Self::new(Code::PreconditionFailed).detail(format!("Another rate is in force: {rate}."))
            }
            Refusal::Unpayable(unpayable) => {
                let rule = match unpayable {
                    Unpayable::TooSmall => "too_small",
                    Unpayable::TooLarge => "too_large",
                };
                Self::new(Code::ValidationFailed).error("/amount", rule, unpayable.to_string())
            }
            Refusal::Received(decline) | Refusal::Rounding(decline) => second(decline),
        }
    }
}

/// Not the caller's own payment: it says so, because the code alone would send them to the wrong account.
fn second(decline: Decline) -> Problem {
    let what = decline.code().title();
    Problem::new(decline.code()).detail(format!("What the exchange pays out was declined: {what}"))
}
