//! What an exchange or a rate is refused for, as a problem.

use shared::problem::{Code, Problem};

use super::rate::Unpayable;
use crate::posting::{Decline, Refusal};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Paid(decline) => decline.into(),
            Refusal::OneCurrency => Self::new(Code::CurrenciesMustBeDifferent),
            Refusal::OwnAccount => Self::new(Code::ExchangeWithRateAccount),
            Refusal::NoRate => Self::new(Code::NoExchangeRate),
            Refusal::OtherRate(rate) => {
                Self::new(Code::ExchangeRateChanged).detail(format!("Another rate is in force: {rate}."))
            }
            Refusal::Unpayable(unpayable) => {
                let rule = match unpayable {
                    Unpayable::TooSmall => "too_small",
                    Unpayable::TooLarge => "too_large",
                };
                Self::new(Code::ExchangeAmountUnpayable).error("/amount", rule, unpayable.to_string())
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
