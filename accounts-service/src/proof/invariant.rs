//! What has to hold of a ledger: the closed list, each with its name and what it says.

use serde::Serialize;

macro_rules! invariants {
    ($($(#[doc = $says:literal])+ $name:ident $word:literal $sampled:literal;)+) => {
        /// Something that has to hold of a ledger.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Invariant {
            $($(#[doc = $says])+ #[serde(rename = $word)] $name,)+
        }

        impl Invariant {
            /// All of them, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in answers, metrics and reports.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it says.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$name => concat!($($says),+),)+ }.trim()
            }

            /// Whether the service looks at it all the time; `verify` looks at every one.
            #[must_use]
            pub const fn is_sampled(self) -> bool {
                match self { $(Self::$name => $sampled,)+ }
            }
        }
    };
}

invariants! {
    /// Batches are numbered without gaps, each link follows from the one before, and the head is the last one.
    ChainLinks "chain_links" true;
    /// What a batch's link was made of is what its transfers say.
    ChainContents "chain_contents" true;
    /// Every transfer lies in one batch, at its front and of its instant, and a batch ends with the last of what is its own.
    BatchPlaces "batch_places" true;
    /// Positions go up, are taken once, and lie in the month, and in the table, that they name.
    Positions "positions" true;
    /// A posted transfer has two entries, which add up to nothing; no other has any, and no entry is without a transfer.
    EntryPairs "entry_pairs" true;
    /// The entries of an account are numbered 1, 2, 3 and so on.
    SeqDense "seq_dense" true;
    /// The balance after an entry is the one before it and its amount.
    BalanceAfter "balance_after" true;
    /// The balance of an account is that after its last entry.
    AccountBalances "account_balances" true;
    /// Transfers are of the currency of their accounts, and all balances of a currency add up to nothing.
    CurrencySums "currency_sums" true;
    /// What is held of an account is what its open holds claim, but for those that lapsed before its next expiry.
    HeldAmounts "held_amounts" true;
    /// What was posted and released of a pending transfer is what later transfers did to it, never more than was held.
    Holds "holds" true;
    /// What was paid back of a transfer is what its reversals say, never more than the transfer.
    Reversals "reversals" true;
    /// A key that a transfer or an exchange was made under names one that exists.
    Keys "keys" true;
    /// A reference is one transfer's, which has it, and every reference of a transfer is taken.
    References "references" true;
    /// Both sides of an exchange exist, with the amounts that its rate makes of one another, and that rate was in force.
    Exchanges "exchanges" true;
    /// All that rounding of exchanges has taken is what was booked of it and what is carried.
    Remainders "remainders" true;
    /// Every transfer, exchange and rate has its event, at its position, and no event of one is without it.
    Events "events" true;
    /// A date of a standing order that was paid names the transfer that paid it.
    StandingOrders "standing_orders" false;
}
