//! Every way to break a ledger by hand that `verify` has to name, as a table.

use accounts_service::proof::Invariant;
use accounts_service::proof::Invariant as I;

/// One way to break it. `{plain}` is the position of a transfer in the midst of everything, `{batch}` its batch's number,
/// `{last}` the last batch's, `{later}` the account of a hold that is to lapse, `{nobody}` an id of nothing, `{zeros}` 32 bytes.
pub struct Break {
    pub name: &'static str,
    pub sql: &'static [&'static str],
    pub finds: Invariant,
    /// A query for the position that the first broken batch begins at or lies around; empty: no batch is broken.
    pub at: &'static str,
}

const PLAIN: &str = "SELECT CAST({plain} AS bigint)";
pub const BATCH: &str = "SELECT first_position FROM ledger_batches WHERE batch_no = {batch}";
pub const NEXT: &str = "SELECT first_position FROM ledger_batches WHERE batch_no = {batch} + 1";
const LAST: &str = "SELECT first_position FROM ledger_batches WHERE batch_no = {last}";
const FIRST: &str = "SELECT first_position FROM ledger_batches WHERE batch_no = 1";
const HELD: &str =
    "SELECT position FROM transfers WHERE id = (SELECT transfer_id FROM holds WHERE state = 'open' AND posted > 0)";
const PAID_BACK: &str = "SELECT position FROM transfers WHERE id = (SELECT transfer_id FROM reversals)";
const EXCHANGED: &str =
    "SELECT t.position FROM transfers t JOIN exchanges x ON x.paid_transfer_id = t.id ORDER BY x.position LIMIT 1";
pub const NOWHERE: &str = "";
/// What stands behind the last batch would belong to the next.
pub const BEHIND: &str = "behind";

const fn broken(name: &'static str, sql: &'static [&'static str], finds: Invariant, at: &'static str) -> Break {
    Break { name, sql, finds, at }
}

pub const CHAIN: [Break; 15] = [
    broken("a link", &["UPDATE ledger_batches SET hash = {zeros} WHERE batch_no = {batch}"], I::ChainLinks, BATCH),
    broken("a lost batch", &["DELETE FROM ledger_batches WHERE batch_no = {batch}"], I::ChainLinks, BATCH),
    broken("the last batch lost", &["DELETE FROM ledger_batches WHERE batch_no = {last}"], I::ChainLinks, LAST),
    broken(
        "a batch twice",
        &["UPDATE ledger_batches SET batch_no = batch_no + 1000 WHERE batch_no = {batch}"],
        I::ChainLinks,
        BATCH,
    ),
    broken(
        "an instant",
        &["UPDATE ledger_batches SET posted_at = posted_at + 1 WHERE batch_no = {batch}"],
        I::ChainLinks,
        BATCH,
    ),
    broken("a head", &["UPDATE ledger_head SET hash = {zeros}"], I::ChainLinks, BEHIND),
    broken(
        "a word",
        &["UPDATE transfers SET description = 'for rent' WHERE position = {plain}"],
        I::ChainContents,
        PLAIN,
    ),
    broken(
        "an author",
        &["UPDATE transfers SET created_by = {nobody} WHERE position = {plain}"],
        I::ChainContents,
        PLAIN,
    ),
    broken("a word of before", &["UPDATE transfers SET description = 'x' WHERE position = 2"], I::ChainContents, FIRST),
    broken(
        "a content",
        &["UPDATE ledger_batches SET content = {zeros} WHERE batch_no = {batch}"],
        I::ChainLinks,
        BATCH,
    ),
    broken(
        "a last batch without an end",
        &["UPDATE ledger_batches SET last_position = 4611686018427387904 WHERE batch_no = {last}"],
        I::BatchPlaces,
        LAST,
    ),
    broken(
        "a last batch up to the head",
        &["UPDATE ledger_batches SET last_position = (SELECT position FROM ledger_head) WHERE batch_no = {last}"],
        I::BatchPlaces,
        LAST,
    ),
    broken("a format", &["UPDATE ledger_batches SET format = 9 WHERE batch_no = {batch}"], I::ChainContents, BATCH),
    broken("a lost transfer", &["DELETE FROM transfers WHERE position = {plain}"], I::ChainContents, PLAIN),
    broken(
        "a stranger behind the last batch",
        &[
            "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, status, created_at, created_by) \
           SELECT h.position + 1, {nobody}, t.debit_account_id, t.credit_account_id, 1, t.currency, 'voided', h.committed_at, t.created_by \
           FROM transfers t, ledger_head h WHERE t.position = {plain}",
        ],
        I::BatchPlaces,
        BEHIND,
    ),
];

pub const ENTRIES: [Break; 11] = [
    broken(
        "another instant",
        &["UPDATE transfers SET created_at = created_at + 1 WHERE position = {plain}"],
        I::BatchPlaces,
        PLAIN,
    ),
    broken("another month", &["UPDATE transfers SET created_at = 5 WHERE position = {plain}"], I::Positions, PLAIN),
    broken("an amount", &["UPDATE transfers SET amount = amount + 1 WHERE position = {plain}"], I::EntryPairs, PLAIN),
    broken("an entry lost", &["DELETE FROM entries WHERE position = {plain} AND amount > 0"], I::EntryPairs, PLAIN),
    broken(
        "an entry lost, in number",
        &["DELETE FROM entries WHERE position = {plain} AND amount > 0"],
        I::SeqDense,
        PLAIN,
    ),
    broken(
        "an entry's amount",
        &["UPDATE entries SET amount = amount + 1 WHERE position = {plain} AND amount > 0"],
        I::EntryPairs,
        PLAIN,
    ),
    broken(
        "an entry too many",
        &["INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
           SELECT account_id, seq + 1000000, position, transfer_id, amount, balance_after, posted_at FROM entries WHERE position = {plain}"],
        I::EntryPairs,
        PLAIN,
    ),
    broken(
        "entries of a hold",
        &["INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
           SELECT debit_account_id, 1000000, position, id, amount, 1, created_at FROM transfers \
           WHERE id = (SELECT transfer_id FROM holds WHERE state = 'open' AND posted > 0)"],
        I::EntryPairs,
        HELD,
    ),
    broken(
        "entries of nothing",
        &["INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
           SELECT {nobody}, 1, last_position + 1000, {nobody}, 1, 1, posted_at FROM ledger_batches WHERE batch_no = {last}"],
        I::EntryPairs,
        BEHIND,
    ),
    broken(
        "a number",
        &["UPDATE entries SET seq = seq + 1000000 WHERE position = {plain} AND amount > 0"],
        I::SeqDense,
        PLAIN,
    ),
    broken(
        "a balance after",
        &["UPDATE entries SET balance_after = balance_after + 1 WHERE position = {plain} AND amount > 0"],
        I::BalanceAfter,
        PLAIN,
    ),
];

pub const BESIDE: [Break; 15] = [
    broken(
        "a balance",
        &[
            "UPDATE accounts SET balance = balance + 1 WHERE id = (SELECT debit_account_id FROM transfers WHERE position = {plain})",
        ],
        I::AccountBalances,
        NOWHERE,
    ),
    broken(
        "a sum",
        &[
            "UPDATE accounts SET balance = balance + 1 WHERE id = (SELECT debit_account_id FROM transfers WHERE position = {plain})",
        ],
        I::CurrencySums,
        NOWHERE,
    ),
    broken(
        "a currency",
        &[
            "UPDATE accounts SET currency = 'EUR' WHERE id = (SELECT debit_account_id FROM transfers WHERE position = {plain})",
        ],
        I::CurrencySums,
        NOWHERE,
    ),
    broken(
        "an account",
        &["DELETE FROM accounts WHERE id = (SELECT debit_account_id FROM transfers WHERE position = {plain})"],
        I::AccountBalances,
        NOWHERE,
    ),
    broken(
        "what is held",
        &[
            "UPDATE accounts SET held = held + 1 WHERE id = (SELECT debit_account_id FROM transfers WHERE position = {plain})",
        ],
        I::HeldAmounts,
        NOWHERE,
    ),
    broken(
        "a hold that was freed",
        &["UPDATE accounts SET held = 0, next_expiry = NULL WHERE id = {later}"],
        I::HeldAmounts,
        NOWHERE,
    ),
    broken(
        "a hold that lapses before its account knows",
        &["UPDATE accounts SET held = 0, next_expiry = next_expiry + 1 WHERE id = {later}"],
        I::HeldAmounts,
        NOWHERE,
    ),
    broken(
        "a hold's part",
        &["UPDATE holds SET posted = posted + 1 WHERE state = 'open' AND posted > 0"],
        I::Holds,
        HELD,
    ),
    broken("a hold too large", &["UPDATE holds SET amount = 1 WHERE state = 'open' AND posted > 0"], I::Holds, HELD),
    broken("a hold lost", &["DELETE FROM holds WHERE state = 'open' AND posted > 0"], I::Holds, HELD),
    broken(
        "a hold's end",
        &["UPDATE holds SET state = 'expired' WHERE state = 'voided'"],
        I::Holds,
        "SELECT position FROM transfers WHERE id = (SELECT transfer_id FROM holds WHERE state = 'voided')",
    ),
    broken(
        "an end that nobody was told of",
        &["DELETE FROM outbox_events WHERE kind = 'transfer.expired'"],
        I::Holds,
        "SELECT position FROM transfers WHERE id = (SELECT transfer_id FROM holds WHERE state = 'expired')",
    ),
    broken("a refund too large", &["UPDATE reversals SET reversed = reversed + 1"], I::Reversals, PAID_BACK),
    broken("a refund forgotten", &["DELETE FROM reversals"], I::Reversals, PAID_BACK),
    broken(
        "a refund of nothing",
        &[
            "UPDATE transfers SET reversal_of = {nobody} WHERE position = (SELECT max(position) FROM transfers WHERE reversal_of IS NOT NULL)",
        ],
        I::Reversals,
        PAID_BACK,
    ),
];

pub const NAMED: [Break; 20] = [
    broken(
        "a key of a transfer",
        &[
            "UPDATE transfer_keys SET transfer_id = {nobody} WHERE transfer_id = (SELECT id FROM transfers WHERE position = {plain})",
        ],
        I::Keys,
        NOWHERE,
    ),
    broken(
        "a key of a batch",
        &["UPDATE transfer_keys SET body = {results} WHERE substr(body, 1, 1) = {one}"],
        I::Keys,
        NOWHERE,
    ),
    broken(
        "a key that is cut off",
        &["UPDATE transfer_keys SET body = {cut} WHERE substr(body, 1, 1) = {one}"],
        I::Keys,
        NOWHERE,
    ),
    broken(
        "a key of an exchange",
        &["UPDATE transfer_keys SET body = {made} WHERE substr(body, 1, 1) = {two}"],
        I::Keys,
        NOWHERE,
    ),
    broken("a reference", &["DELETE FROM external_refs WHERE reference = 'r-1'"], I::References, PLAIN),
    broken(
        "a reference of another",
        &["UPDATE external_refs SET transfer_id = {nobody} WHERE reference = 'r-1'"],
        I::References,
        PLAIN,
    ),
    broken(
        "a reference of nothing",
        &["INSERT INTO external_refs (owner_id, reference, transfer_id) VALUES ({nobody}, 'x', {nobody})"],
        I::References,
        NOWHERE,
    ),
    broken("a rate", &["UPDATE exchange_rates SET rate = '0.9236'"], I::Exchanges, EXCHANGED),
    broken(
        "a remainder",
        &["UPDATE exchanges SET remainder = remainder + 1 WHERE position = (SELECT min(position) FROM exchanges)"],
        I::Exchanges,
        EXCHANGED,
    ),
    broken(
        "a side",
        &[
            "UPDATE exchanges SET received_transfer_id = {nobody} WHERE position = (SELECT min(position) FROM exchanges)",
        ],
        I::Exchanges,
        EXCHANGED,
    ),
    broken(
        "a rate of before",
        &["UPDATE exchanges SET rate_id = (SELECT id FROM exchange_rates ORDER BY position LIMIT 1) \
           WHERE position = (SELECT min(position) FROM exchanges)"],
        I::Exchanges,
        EXCHANGED,
    ),
    broken("a rate that had lapsed", &["UPDATE exchange_rates SET valid_until = 1"], I::Exchanges, EXCHANGED),
    broken(
        "a rate without its event",
        &["DELETE FROM outbox_events WHERE kind = 'exchange_rate.set'"],
        I::Events,
        NOWHERE,
    ),
    broken(
        "a rate that was told otherwise",
        &["UPDATE exchange_rates SET rate = '0.9' WHERE position = (SELECT min(position) FROM exchange_rates)"],
        I::Events,
        NOWHERE,
    ),
    broken(
        "an exchange lost",
        &["DELETE FROM exchanges WHERE position = (SELECT min(position) FROM exchanges)"],
        I::Events,
        NOWHERE,
    ),
    broken("a carry", &["UPDATE exchange_carries SET grains = grains + 1"], I::Remainders, NOWHERE),
    broken("an event", &["DELETE FROM outbox_events WHERE position = {plain}"], I::Events, PLAIN),
    broken(
        "another event",
        &["UPDATE outbox_events SET kind = 'transfer.voided' WHERE position = {plain}"],
        I::Events,
        PLAIN,
    ),
    broken(
        "an exchange's event",
        &["DELETE FROM outbox_events WHERE position = (SELECT min(position) FROM exchanges)"],
        I::Events,
        EXCHANGED,
    ),
    broken(
        "a run",
        &["UPDATE standing_order_runs SET transfer_id = {nobody} WHERE state = 'posted'"],
        I::StandingOrders,
        NOWHERE,
    ),
];
