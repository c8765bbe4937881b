//! What can be asked of the ledger.

use shared::domain::{Amount, TransferId, UserId};

use super::order::Order;
use super::seen::Seen;
use super::state::Need;

/// Who asks for something to be done to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The caller.
    pub user: UserId,
    /// Whether they may do what either side's owner may: treasurers may.
    pub treasurer: bool,
    /// Whether they may read every transfer.
    pub reads_all: bool,
}

/// A wish, judged by [`super::decide()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Move money, or hold it.
    Transfer(Order),
    /// Book what a pending transfer holds, or a part of it.
    Post {
        /// The pending transfer.
        of: TransferId,
        /// How much; all that is left when absent.
        amount: Option<Amount>,
        /// Whether what is left then is let go.
        release: bool,
        /// Who asks.
        by: Asker,
        /// As what they have seen it.
        seen: Seen,
    },
    /// Let go of what a pending transfer holds.
    Void {
        /// The pending transfer.
        of: TransferId,
        /// Who asks.
        by: Asker,
        /// As what they have seen it.
        seen: Seen,
    },
    /// Pay a posted transfer back, or a part of it.
    Reverse {
        /// The posted transfer.
        of: TransferId,
        /// How much; all that is left when absent.
        amount: Option<Amount>,
        /// Who asks.
        by: Asker,
        /// As what they have seen it.
        seen: Seen,
    },
}

impl Command {
    /// What it is plain before judging that the decision rests on. What else turns out to be missing is looked up then.
    pub fn needs(&self) -> impl Iterator<Item = Need> + use<> {
        let sides = match self {
            Self::Transfer(order) => [Some(Need::Account(order.debit())), Some(Need::Account(order.credit()))],
            Self::Post { of, .. } | Self::Void { of, .. } | Self::Reverse { of, .. } => {
                [Some(Need::Original(*of)), None]
            }
        };
        sides.into_iter().flatten()
    }
}
